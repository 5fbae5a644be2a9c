"""How both commands end: at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

END = """
import gc, sys
from {}.__main__ import main
sys.argv[1:] = ["--version"]
try:
    main()
finally:
    print(gc.get_freeze_count() > len(sys.modules))
"""


@pytest.mark.parametrize("package", ["tap_oracle_txlog", "target_nats_jetstream"])
def test_what_is_imported_is_not_searched_for_cycles_at_the_end(package: str) -> None:
    command = [sys.executable, "-c", END.format(package)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines()[-1] == "True"
