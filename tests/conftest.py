"""What holds for all tests: the servers that they ask for (each is real, private to the test run,
and gone after it), and how patient Hypothesis is.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes is the machine's affair: a busy one must not make a test red.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest_plugins = [
    "tests.support.oracle",
    "tests.support.mariadb",
    "tests.support.nats",
]
