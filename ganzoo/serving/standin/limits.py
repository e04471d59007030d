"""What one client may ask of the server: everything from outside is bounded here."""

MESSAGE_BYTES = 64 << 20
"""Of a gRPC request, and of the body of an HTTP request."""
TENSOR_BYTES = 256 << 20
"""Of all inputs of a request once they are unpacked: a small message can name a large shape."""
ROWS = 1024
"""Of the batch dimension of a request."""
DEPTH = 32
"""Of nested lists in JSON."""
ERROR_VALUE_CHARACTERS = 256
"""Of a value of the request that an error repeats."""
SCORE_BYTES = 1 << 20
"""Of a score record that is shown beside a model."""
HEADER_BYTES = 64 << 10
"""Of an HTTP request's first line and headers."""
HEADER_SECONDS = 20.0
"""From a connection, or from a request's first byte, to the end of its headers."""
BODY_SECONDS = 60.0
"""From the headers to the end of the body."""
CONNECTIONS = 512
"""Open HTTP connections."""
REQUESTS = 256
"""gRPC requests in work or waiting for a thread, and HTTP requests likewise."""
GRPC_THREADS = 64
"""That answer gRPC requests; most of them wait, for TensorFlow or for a batch to fill."""
