"""How a run stands, for those who watch it from outside: a file, a port, OpenTelemetry.

``monitor.Monitor`` follows the run and keeps the numbers; ``instruments`` names them. Each of the
other modules publishes them in one form. No run waits for them, and only a port that is taken ends
one.
"""
