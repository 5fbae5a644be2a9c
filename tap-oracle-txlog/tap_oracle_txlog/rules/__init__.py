"""The rules: which rows are new, what is complete, and how that is written down.

Everything here takes values and returns values. Nothing opens a file or a connection, reads a
clock, writes a log line or knows Singer; `ruff.toml` in this folder enforces it.
"""
