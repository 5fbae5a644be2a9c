"""What both packages have to do in the same way, and neither can import from the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tap_oracle_txlog import errors as of_tap
from target_nats_jetstream import errors as of_target

ROOT = Path(__file__).parents[2]
TAP = ROOT / "tap-oracle-txlog/tap_oracle_txlog"
TARGET = ROOT / "target-nats-jetstream/target_nats_jetstream"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("config.py", "config.py"),
        ("config_check.py", "config_check.py"),
        ("config_schema.py", "config_schema.py"),
        ("deprecation.py", "deprecation.py"),
        ("diagnosis.py", "diagnosis.py"),
        ("encryption.py", "encryption.py"),
        ("mariadb.py", "ledger/mariadb.py"),
        ("options.py", "options.py"),
        ("replay_name.py", "replay_name.py"),
        ("standard_streams.py", "standard_streams.py"),
    ],
)
def test_twins_differ_in_what_they_import_only(ours: str, theirs: str) -> None:
    tap, target = (
        re.sub(r"^( *)from \w+[.\w]* import (.*)$", r"\1\2", path.read_text(), flags=re.MULTILINE)
        for path in (TAP / ours, TARGET / theirs)
    )
    assert tap == target


def test_both_packages_tell_how_to_look_into_what_is_unexpected() -> None:
    told = {str(errors.unexpected(ValueError("a value"))) for errors in (of_tap, of_target)}
    assert told == {"unexpected ValueError. Set `log_level: DEBUG` to see the call stack"}
