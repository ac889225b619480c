"""The event source mapping: pollers that receive, filter, batch, invoke and delete.

    queue ──▶ poller ──▶ filter ──▶ batch ──▶ record ──▶ function ──▶ response ──▶ delete, or let go

``poller`` reads top to bottom as this line; ``pool`` starts and retires pollers; everything between is pure and told
the time. The mapping knows ports, no adapter.
"""

__all__: list[str] = []
