"""A local emulator of AWS Lambda's event source mapping for Amazon SQS."""

__version__ = "0.1.0"
