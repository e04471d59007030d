"""What went wrong, as TensorFlow Serving says it: codes, their HTTP statuses, texts."""

import grpc
import tensorflow as tf

from ganzoo.errors import InputError

_HTTP = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}
_GRPC_CHARACTERS = 1024


class Refusal(Exception):
    """A request, or a load, that ends with a code and a text.

    Args:
        code: why.
        text: what the client reads.
        http: the HTTP status, where it is not the code's.
    """

    def __init__(self, code: grpc.StatusCode, text: str, http: int | None = None):
        super().__init__(text)
        self.code, self.text = code, text
        self.http = http or _HTTP.get(code, 500)

    @property
    def number(self) -> int:
        """The code as a number of `google.rpc.Code`."""
        return self.code.value[0]

    @property
    def bare(self) -> "Refusal":
        """The same, to be kept: without the frames that it went through and what is in them."""
        return Refusal(self.code, self.text, self.http)

    @property
    def described(self) -> str:
        """Code and text, as `absl::Status` prints them."""
        return f"{self.code.name}: {self.text}"

    @property
    def grpc_text(self) -> str:
        """The text as gRPC carries it: long ones are cut."""
        return self.text if len(self.text) <= _GRPC_CHARACTERS else self.text[:_GRPC_CHARACTERS] + "...TRUNCATED"


def invalid(text: str) -> Refusal:
    """Returns an INVALID_ARGUMENT."""
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, text)


def not_found(text: str) -> Refusal:
    """Returns a NOT_FOUND."""
    return Refusal(grpc.StatusCode.NOT_FOUND, text)


def failed_precondition(text: str) -> Refusal:
    """Returns a FAILED_PRECONDITION."""
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, text)


def unavailable(text: str) -> Refusal:
    """Returns an UNAVAILABLE."""
    return Refusal(grpc.StatusCode.UNAVAILABLE, text)


def unimplemented(text: str) -> Refusal:
    """Returns an UNIMPLEMENTED."""
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, text)


def as_refusal(error: Exception) -> Refusal:
    """Returns what a client is told of an exception: TensorFlow's code and text, or INTERNAL."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, InputError):
        return invalid(str(error))
    if isinstance(error, tf.errors.OpError):
        return Refusal(_BY_NUMBER.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message or "")
    return Refusal(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
