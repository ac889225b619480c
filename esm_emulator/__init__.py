"""A local emulator of AWS Lambda's event source mapping for Amazon SQS."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
