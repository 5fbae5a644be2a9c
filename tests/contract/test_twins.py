"""What both packages have to do in the same way, and neither can import from the other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_both_packages_tell_pymysql_the_same() -> None:
    places = (
        "tap-oracle-txlog/tap_oracle_txlog/mariadb.py",
        "target-nats-jetstream/target_nats_jetstream/ledger/mariadb.py",
    )
    tap, target = (
        re.sub(
            r"^( *)from \w+[.\w]* import (ConfigurationError|Tls)$",
            r"\1\2",
            text,
            flags=re.MULTILINE,
        )
        for text in ((ROOT / place).read_text() for place in places)
    )
    assert tap == target
