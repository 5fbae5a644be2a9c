"""``--check-config`` of both plugins: all that is wrong at once, nothing that is not, no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog import config_check
from tap_oracle_txlog import settings as of_tap
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.tap import TapOracleTxlog
from target_nats_jetstream import settings as of_target
from target_nats_jetstream.target import TargetNatsJetstream

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGINS: dict[str, type[TapOracleTxlog | TargetNatsJetstream]] = {
    "tap": TapOracleTxlog,
    "target": TargetNatsJetstream,
}
SETTINGS = {"tap": of_tap, "target": of_target}
PREFIX = {"tap": "TAP_ORACLE_TXLOG_", "target": "TARGET_NATS_JETSTREAM_"}
COMMANDS = {"tap": "tap-oracle-txlog", "target": "target-nats-jetstream"}
ORACLE = {"dsn": "db:1521/S", "user": "u", "password": "SECRET"}
MARIADB = {"mariadb_host": "m", "mariadb_database": "d", "mariadb_user": "u"}
NO_TIME = "'yesterday' is not a time such as 2026-01-31 or 2026-01-31T18:30:00.123456789+01:00"
NOWHERE = "/nowhere/at/all"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of a test."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("TAP_", "TARGET_")):
            monkeypatch.delenv(name)


def told(plugin: str, config: Mapping[str, Any], *, parse_env: bool = False) -> list[str]:
    return [str(one) for one in PLUGINS[plugin].mistakes(config, parse_env=parse_env)]


def beginnings(plugin: str, config: Mapping[str, Any]) -> list[str]:
    """The mistakes without their remedies."""
    found = PLUGINS[plugin].mistakes(config, parse_env=False)
    assert all(one.remedy for one in found)
    return [one.reason for one in found]


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        ("target", {}),
        (
            "target",
            {**MARIADB, "mariadb_password": "x", "servers": "a,b", "headers": '{"A": "{B}"}'},
        ),
        ("target", {"ledger_url": "sqlite:///l.db", "flattening_enabled": False}),
        ("target", {"initial_backoff": 1, "max_backoff": 2, "backoff_multiplier": 2}),
        ("tap", ORACLE),
        ("tap", {**ORACLE, "start_date": "2026-01-01", "end_date": "2026-02-01"}),
        ("tap", {**ORACLE, **MARIADB, "state_from_ledger": True}),
        ("tap", {"sqlalchemy_url": "sqlite:///events.db"}),
        ("tap", {**ORACLE, "tables": "A.B,C"}),
    ],
)
def test_where_nothing_is_wrong_nothing_is_told(plugin: str, config: dict[str, Any]) -> None:
    assert told(plugin, config) == []
    assert list(Path().iterdir()) == [], "no database is opened"


def test_all_mistakes_of_the_target_are_told_at_once() -> None:
    config = {
        "strem": "S",
        "batch_size": "many",
        "publish_mode": "fastest",
        "subject": "a..b",
        "message_id": "{ID",
        "headers": {"Nats-X": "1"},
        "servers": "http://x",
        "user": "etl",
        "tls_ca": NOWHERE,
        "domain": "a b",
        "stream_config": {"max_age": "soon"},
        "mariadb_host": "m",
        "mariadb_port": 70_000,
        "ledger_table": "a.b",
        "ledger_on_error": "ignore",
        "batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "a\0b"}},
        "validate_records": "perhaps",
        "stream": "",
    }
    assert sorted(beginnings("target", config)) == sorted(
        [
            "unknown setting `strem`",
            "setting `batch_size` is not a number that fits",
            "setting `publish_mode` is not one of its values",
            "setting `subject`: 'a..b' is not a subject template",
            "setting `message_id`: '{ID' has a brace without a partner or without a name in it",
            "setting `headers`: 'Nats-X' cannot be used as a header name",
            "setting `servers` contains something that is not a URL",
            "setting `tls_ca` does not name a file",
            "setting `domain` is not part of a subject",
            "setting `stream_config.max_age` is not a duration",
            "setting `mariadb_port` is not a number that fits",
            "setting `ledger_table` is not a plain name",
            "setting `ledger_on_error` is not one of its values",
            "setting `batch_config.storage.root` has a NUL in it",
            "setting `validate_records` is neither true nor false",
            "setting `stream` is empty",
        ]
    )


@pytest.mark.parametrize(
    ("plugin", "name"),
    [(plugin, name) for plugin, module in SETTINGS.items() for name in module.OURS],
)
def test_no_setting_is_left_out(plugin: str, name: str) -> None:
    """Whatever its kind, it is no list of lists."""
    found = PLUGINS[plugin].mistakes({name: [[]]}, parse_env=False)
    assert any(name in one.reason for one in found)


def test_what_is_missing_is_told_as_well() -> None:
    assert beginnings("target", {"mariadb_host": "m", "user": "etl", "tls_cert": __file__}) == [
        "setting `password` is missing: a login needs `user` and `password`",
        "setting `tls_key` is missing: a client certificate needs its key",
        "setting `mariadb_database` is missing, but `mariadb_host` is set",
        "setting `mariadb_user` is missing, but `mariadb_host` is set",
    ]
    assert beginnings("tap", {}) == [
        "`dsn` is not set",
        "`user` is not set",
        "no password is set",
    ]


def test_what_only_seems_to_be_missing_is_not_told() -> None:
    found = beginnings("target", {"user": "etl", "password_file": NOWHERE, "domain": "a b"})
    assert found == [
        "setting `password_file` cannot be read: No such file or directory",
        "setting `domain` is not part of a subject",
    ]
    assert beginnings("tap", {**ORACLE, "dsn": "u/p@db:1521/S", "lib_dir": "x"}) == [
        "`dsn` contains a login",
        "`lib_dir` is set without `thick_mode`",
    ]


def test_all_mistakes_of_the_tap_are_told_at_once() -> None:
    config = {
        **ORACLE,
        "tabel": "T",
        "table": "A.B.C",
        "replication_key": 'a"b',
        "source_timezone": "Moon/Base",
        "page_size": 0,
        "start_date": "yesterday",
        "null_key": "drop",
        "mariadb_ssl_cert": NOWHERE,
        "state_from_ledger": True,
        "ledger_url": "mysql://u:p@ss@host/d",
        "connect_timeout": "long",
    }
    assert sorted(beginnings("tap", config)) == sorted(
        [
            "unknown setting `tabel`",
            "setting `table` holds 'A.B.C', which is not of the form owner.table",
            "setting `replication_key` holds 'a\"b', which is not an Oracle name",
            "setting `source_timezone` is not a time zone: 'Moon/Base'",
            "setting `page_size` is not a number that fits",
            f"setting `start_date`: {NO_TIME}",
            "setting `null_key` is not one of its values",
            "setting `mariadb_ssl_key` is missing: a client certificate needs its key",
            "setting `ledger_url` has a user or password with an @ or / in it",
            "setting `connect_timeout` is not a number that fits",
        ]
    )


def test_mistakes_in_the_list_of_tables_are_told() -> None:
    tables = [{"table": "A", "replication_kye": "AT"}]
    assert beginnings("tap", {**ORACLE, "tables": tables, "page_size": 0}) == [
        "setting `page_size` is not a number that fits",
        'setting `tables` has an unknown setting "replication_kye"',
    ]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_unknown_variables_of_the_environment_are_told(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = PREFIX[plugin]
    for name in ("LOGLEVEL", "LOG_LEVEL", "_SELECT", "BATCH_CONFIG_ENCODING_FORMAT", "BACKOF"):
        monkeypatch.setenv(f"{prefix}{name}", "INFO")
    monkeypatch.setenv(f"{prefix}ZZZZZZ", "x")
    given: dict[str, Any] = ORACLE if plugin == "tap" else {}
    assert told(plugin, given) == [
        f"unknown environment variable {prefix}BACKOF. Did you mean {prefix}BACKOFF?",
        f"unknown environment variable {prefix}ZZZZZZ. Remove it",
    ]


NEAR = {
    "tap": {"ORACLE_PASSWD": "ORACLE_PASSWORD", "ORACLE_DNS": "ORACLE_DSN"},
    "target": {"NATS_SERVER": "NATS_SERVERS", "nats_servers": "NATS_SERVERS"},
}
BOTH = {"PROGRAM_NAM": "PROGRAM_NAME", "MARIADB_PASWORD": "MARIADB_PASSWORD"}
#: What others call their own.
OTHERS = (
    *("ORACLE_HOME", "ORACLE_SID", "ORACLE_BASE", "ORACLE_PDB", "ORACLE_PWD", "ORACLE_HOSTNAME"),
    *("NATS_URL", "NATS_SERVER_CONFIG", "NATS_USER", "NATS_CONTEXT", "NATS_HOST", "NATS_SERVICE"),
    *("MARIADB_ROOT_PASSWORD", "MARIADB_VERSION", "MARIADB_HOSTNAME", "MYSQL_HOST", "DATABASE"),
    *("PROGRAMDATA", "PROGRAMFILES", "LOGNAME", "LOG_FILE", "BATCH_MODE", "PATH", "USER", "HOME"),
    *("TAP_ORACLE_USER", "TAP_POSTGRES_PASSWORD", "TARGET_NATS_URL", "TARGET_JSONL_STREAM"),
    *("MELTANO_LOG_LEVEL", "SINGER_SDK_LOG_LEVEL", "RUST_LOG", "TAP_ORACLE_HOST"),
)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_near_misses_of_the_names_of_the_project_are_told_and_variables_of_others_are_not(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"sqlalchemy_url": "sqlite:///events.db"} if plugin == "tap" else {}
    for name in OTHERS:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/p")
    assert told(plugin, given) == []

    expected = NEAR[plugin] | BOTH
    for name in (*NEAR["tap"], *NEAR["target"], *BOTH):
        monkeypatch.setenv(name, "x")
    assert told(plugin, given) == [
        f"unknown environment variable {name}. Did you mean {expected[name]}?"
        for name in sorted(expected)
    ]
    monkeypatch.delenv("MELTANO_PROJECT_ROOT")
    assert told(plugin, given) == [], "without Meltano nobody reads the short names"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_near_miss_is_another_programs_where_the_setting_has_a_value(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = ORACLE if plugin == "tap" else {}
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/p")
    monkeypatch.setenv("PROGRAM_NAM", "x")
    assert told(plugin, given | {"program_name": "P"}) == []
    monkeypatch.setenv("PROGRAM_NAME", "P")
    assert told(plugin, given) == []


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_mistake_in_the_prefix_is_told(plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = ORACLE if plugin == "tap" else {}
    right = f"{PREFIX[plugin]}LOG_LEVEL"
    wrong = right.replace("ORACLE", "ORACEL").replace("TARGET", "TARGETS")
    monkeypatch.setenv(wrong, "INFO")
    assert told(plugin, given) == [f"unknown environment variable {wrong}. Did you mean {right}?"]


def test_values_of_the_environment_are_checked_where_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TARGET_NATS_JETSTREAM_BATCH_SIZE", "many")
    monkeypatch.setenv("TARGET_NATS_JETSTREAM_BATCH_CONFIG", '{"encoding": {"format": "jsonl"}}')
    assert told("target", {}) == []
    (line,) = told("target", {}, parse_env=True)
    assert line.startswith("setting `batch_size` is not a number")
    assert "many" not in line


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_command_prints_a_line_for_each_and_exits_with_2_or_0(plugin: str) -> None:
    def run(config: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
        Path("config.json").write_text(json.dumps(config))
        command = Path(sys.executable).with_name(COMMANDS[plugin])
        return subprocess.run(
            [command, "--config", "config.json", "--check-config", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    good: dict[str, Any] = ORACLE if plugin == "tap" else {}
    done = run(good)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the settings are valid\n", "")
    done = run({**good, "lgo_level": "SECRET", "mariadb_port": "SECRET"})
    assert (done.returncode, done.stderr) == (2, "")
    first, second, last = done.stdout.splitlines()
    assert first == "unknown setting `lgo_level`. Did you mean `log_level`?"
    assert second.startswith("setting `mariadb_port` is not a number that fits. Set a whole number")
    assert last == "2 mistakes"
    assert "SECRET" not in done.stdout
    answer = json.loads(run({**good, "mariadb_port": 0}, "--json").stdout)
    assert (answer["command"], answer["ok"], answer["summary"]) == (
        "check-config",
        False,
        "1 mistake",
    )
    assert answer["result"]["mistakes"][0]["setting"] == "mariadb_port"


@given(
    wrong=st.sets(st.sampled_from("abcdef")),
    given_=st.sets(st.sampled_from("abcdef")),
    needs=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")),
)
def test_each_wrong_value_is_told_once_and_the_search_ends(
    wrong: set[str], given_: set[str], needs: dict[str, str]
) -> None:
    """Settings that are wrong by themselves, and settings that need another one."""

    def read(config: dict[str, Any]) -> None:
        for name in sorted(config):
            if name in wrong and config[name] == "given":
                raise ConfigurationError(name, "wrong", setting=name)
        for name, other in sorted(needs.items()):
            if name in config and other not in config:
                raise ConfigurationError(other, "missing", setting=other)

    found = config_check.mistakes(dict.fromkeys(given_, "given"), [read])
    told = [one.setting for one in found]
    assert len(told) == len(set(told))
    assert {one.setting for one in found if one.remedy == "wrong"} == wrong & given_
    missing = {one.setting for one in found if one.remedy == "missing"}
    assert missing <= set(needs.values()) - given_
    if not wrong & given_:
        assert {needs[name] for name in given_ & needs.keys()} - given_ <= missing
