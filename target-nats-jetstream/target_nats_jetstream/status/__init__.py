"""``--status``: how the pipeline stands, for a terminal, for monitoring, and as an exit code."""
