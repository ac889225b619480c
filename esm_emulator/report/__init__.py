"""Readers of the journal that turn it into something to look at; one format a file."""

__all__: list[str] = []
