"""A development server with the gRPC and REST of TensorFlow Serving, for this machine alone: a stand-in, no more."""

from ganzoo.serving.standin.server import Server

__all__ = ["Server"]
