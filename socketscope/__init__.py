"""Observed stand-ins for the standard library's socketserver classes."""

__version__ = "0.1.0"
