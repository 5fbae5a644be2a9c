"""How a run stands, for those who watch it from outside: a file, a port, OpenTelemetry.

``monitor.Monitor`` is told of the run and knows the numbers; ``instruments`` names them. The rest
hands them on in one form each. The run never waits for any of it and never fails by it, but for a
port that cannot be had.
"""
