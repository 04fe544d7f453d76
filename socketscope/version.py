"""The version of the library and of its programs."""

__version__ = "0.1.0"
