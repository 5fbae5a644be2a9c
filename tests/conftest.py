"""The servers that tests ask for; each is real, private to the test run, and gone after it."""

from __future__ import annotations

pytest_plugins = [
    "tests.oracle_stand_in.fixture",
    "tests.support.mariadb",
    "tests.support.nats",
]
