"""The dashboard: one that Grafana reads, on metrics and columns that there are."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from target_nats_jetstream.ledger.ddl import create_tables
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.metrics.instruments import INSTRUMENTS
from tests.deploy.promtool import promtool
from tests.run import ROOT
from tests.target.ledger.places import V7_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/txlog.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [target["expr"] for target in TARGETS if "expr" in target]


def lost(given: object, kept: object, place: str = "") -> Iterator[str]:
    """The places of what ``kept`` does not have of ``given``."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from lost(value, kept.get(name), f"{place}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif given != kept:
        yield place


def test_grafanas_own_model_knows_every_member() -> None:
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert list(lost(DASHBOARD, read)) == []


def test_it_has_what_a_dashboard_from_a_file_needs() -> None:
    assert 8 <= len(DASHBOARD["uid"]) <= 40
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 36
    assert "id" not in DASHBOARD, "that is the database's"
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__all", "__rate_interval"}
    assert used == variables
    for panel in PANELS:
        assert panel["title"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


def test_no_panel_lies_on_another_one() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        x, y, w, h = (panel["gridPos"][name] for name in "xywh")
        assert x + w <= 24
        return {(x + across, y + down) for across in range(w) for down in range(h)}

    for one, other in combinations(PANELS, 2):
        assert not cells(one) & cells(other)


def test_it_shows_every_metric_and_only_those_that_there_are() -> None:
    known = {one.name: one for one in INSTRUMENTS}
    shown = set(re.findall(r"\btxlog_\w+", " ".join(EXPRESSIONS)))
    assert shown == known.keys()
    for target in TARGETS:
        for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
            assert any(label in known[name].labels for name in shown if name in target["expr"])


def test_promtool_parses_each_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"one:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(EXPRESSIONS)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    checked = promtool("check", "rules", tmp_path / "rules.yml")
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


@pytest.mark.parametrize("table", ["ours", "V7"])
def test_the_panel_on_the_ledger_reads_it(table: str, mariadb: MariaDbDatabase) -> None:
    (query,) = (target["rawSql"] for target in TARGETS if "rawSql" in target)
    ours = create_tables(LedgerSettings.from_config(mariadb.settings))
    mariadb.execute(*([V7_TABLE] if table == "V7" else ours))
    mariadb.execute("INSERT INTO ETL_PRMREC (PROGRAM_NAME, STATUS) VALUES ('P', 'SUCCESS')")
    ((name, status, *_),) = mariadb.execute(query)
    assert (name, status) == ("P", "SUCCESS")
