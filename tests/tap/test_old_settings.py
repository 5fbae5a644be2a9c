"""The settings of the last release: each works, alone, and says once what to do instead."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import oracledb
import pytest

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.old_settings import modern
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.settings import OLD, OURS, AllSettings
from tap_oracle_txlog.tap import TapOracleTxlog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tap.command import Tap

SECRET = "s3cr3t-Pa55"
LOGIN = {"user": "etl", "password": SECRET}
AT = LOGIN | {"dsn": "db:1521/ORCL"}
HOST = {"host": "db", "service_name": "ORCL"}
SPAN = {"start_date": "2026-01-01", "end_date": "2026-01-02"}


class Case(NamedTuple):
    """The old ``name`` with a value, beside other settings; and what says the same."""

    name: str
    value: object
    beside: dict[str, Any]
    now: dict[str, Any]


TRANSLATED = [
    Case("host", "db", LOGIN | {"service_name": "ORCL"}, AT),
    Case("host", "::1", LOGIN | {"service_name": "ORCL"}, AT | {"dsn": "[::1]:1521/ORCL"}),
    Case("service_name", "ORCL", LOGIN | {"host": "db", "dsn": ""}, AT),
    Case("port", "1522", LOGIN | HOST, AT | {"dsn": "db:1522/ORCL"}),
    Case("port", 1522, AT, AT),
    Case("protocol", "tcps", LOGIN | HOST, AT | {"dsn": "tcps://db:1521/ORCL"}),
    Case("protocol", "tcps", AT, AT),
    Case(
        "sid",
        "X",
        LOGIN | {"host": "db", "port": 1522},
        AT
        | {
            "dsn": "(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=db)(PORT=1522))"
            "(CONNECT_DATA=(SID=X)))"
        },
    ),
    Case("sdu", "8192", LOGIN | HOST, AT | {"dsn": "db:1521/ORCL?sdu=8192"}),
    Case("proxy_user", "app", AT, AT | {"user": "etl[app]"}),
    Case("proxy_user", "app", AT | {"user": "etl[app]"}, AT | {"user": "etl[app]"}),
    Case("initial_backoff", 3, AT, AT | {"backoff": [3, 6, 12, 24, 30]}),
    Case("initial_backoff", "0", AT, AT | {"backoff": "0"}),
    Case("max_backoff", "5", AT, AT | {"backoff": "1,2,4,5"}),
    Case("max_backoff", 0.5, AT, AT | {"backoff": [0.5]}),
    Case("backoff_multiplier", 5, AT, AT | {"backoff": "1,5,25,30"}),
    Case("backoff_multiplier", 1, AT, AT | {"backoff": "1"}),
]
"""Those for which the settings are the same value, whichever way they are written."""

OPTIONS = [
    Case("ssl_server_dn_match", "false", {}, {"ssl_server_dn_match": "off"}),
    Case("https_proxy", "proxy", {}, {"https_proxy": "proxy", "https_proxy_port": "80"}),
    Case("https_proxy_port", 3128, {"https_proxy": "p"}, {"https_proxy_port": "3128"}),
    Case("expire_time", "7", {}, {"expire_time": "7"}),
    Case("sdu", 8192, {}, {"sdu": "8192"}),
    Case("edition", "e2", {}, {"pyo.edition": "e2"}),
    Case("disable_oob", "true", {}, {"pyo.disable_oob": "true"}),
]
"""Those that the driver has to read the same, beside any address."""

STILL_READ = [
    Case("array_size", "10", AT, {}),
    Case("slice_interval", "1h", AT | SPAN, {}),
]
"""Those that nothing has to say."""


def read(config: dict[str, Any]) -> tuple[AllSettings, OracleSettings]:
    written_today = modern(config, OLD)
    return AllSettings.from_config(written_today), OracleSettings.from_config(written_today)


def seen_by_driver(config: dict[str, Any]) -> dict[str, Any]:
    arguments = read(config)[1].connect_arguments()
    dsn = arguments.pop("dsn")
    parameters = oracledb.ConnectParams(**arguments)
    parameters.parse_connect_string(dsn)
    names = ("host", "port", "service_name", "sid", "protocol", "user", "proxy_user")
    return {name: getattr(parameters, name) for name in (*names, *(case.name for case in OPTIONS))}


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(config)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_every_old_name_is_tried_and_none_is_shown() -> None:
    assert {case.name for case in (*TRANSLATED, *OPTIONS, *STILL_READ)} == OLD.keys()
    assert not OLD.keys() & OURS.keys()
    assert not OLD.keys() & TapOracleTxlog.config_jsonschema["properties"].keys()


@pytest.mark.parametrize("case", TRANSLATED)
def test_an_old_setting_says_the_same_as_the_new_one(case: Case) -> None:
    assert read(case.beside | {case.name: case.value}) == read(case.now)


@pytest.mark.parametrize("case", OPTIONS)
def test_an_old_option_reaches_the_driver_whatever_the_address(case: Case) -> None:
    old = case.beside | {case.name: case.value}
    options = "&".join(f"{name}={value}" for name, value in (case.beside | case.now).items())
    wanted = seen_by_driver(AT | {"dsn": f"db:1521/ORCL?{options}"})
    assert wanted != seen_by_driver(AT)
    assert seen_by_driver(AT | old) == wanted
    assert seen_by_driver(LOGIN | HOST | old) == wanted
    address = "(ADDRESS=(PROTOCOL=tcp)(HOST=db)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=ORCL))"
    assert seen_by_driver(AT | {"dsn": f"(DESCRIPTION={address})"} | old) == wanted


def test_what_nothing_says_any_more_is_still_read() -> None:
    ours, oracle = read(AT | SPAN | {"array_size": "10", "slice_interval": "12h"})
    assert oracle.array_size == 10
    assert len(ours.tap.backfill(None)) == 2


@pytest.mark.parametrize("name", OLD)
def test_each_old_setting_in_use_is_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    (case, *_) = (case for case in (*TRANSLATED, *OPTIONS, *STILL_READ) if case.name == name)
    unused = dict.fromkeys(OLD.keys() - {name} - case.beside.keys(), "")
    with caplog.at_level(logging.INFO):
        config = case.beside | {name: case.value}
        read(LOGIN | ({} if "host" in config else AT) | unused | config)
    (line,) = [line for line in caplog.messages if f"`{name}`" in line.split(":", 1)[0]]
    assert line.startswith(f"setting `{name}` is deprecated")
    assert OLD[name] in line
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (AT | {"host": "other", "service_name": "ORCL"}, "`host` and `dsn` are both set"),
        (AT | {"service_name": "X"}, "`service_name` is set without `host`"),
        (LOGIN | {"host": "db"}, "`host` is set without `service_name`"),
        (LOGIN | HOST | {"sid": "X"}, "`service_name` and `sid` are both set"),
        (AT | {"dsn": "db/S?sdu=8192", "sdu": 512}, "`sdu` and `dsn` are both set, and differ"),
        (
            AT | {"dsn": "(SECURITY=(SSL_SERVER_DN_MATCH=ON))", "ssl_server_dn_match": False},
            "differ",
        ),
        (AT | {"user": "etl[other]", "proxy_user": "app"}, "`proxy_user` and the one in `user`"),
        (AT | {"backoff": "1,2", "max_backoff": 7}, "`max_backoff` and `backoff` are both set"),
        (LOGIN | HOST | {"port": SECRET}, "`port` is not a number that fits"),
        (LOGIN | HOST | {"port": 0}, "`port` is not a number that fits"),
        (LOGIN | HOST | {"protocol": SECRET}, "Choose tcp | tcps"),
        (AT | {"sdu": 8192.5}, "`sdu` is not a number that fits"),
        (AT | {"backoff_multiplier": 0.5}, "`backoff_multiplier` is not a number that fits"),
        (AT | {"array_size": -1}, "`array_size` is not a number that fits"),
    ],
)
def test_an_old_setting_that_contradicts_or_does_not_fit_is_refused(
    config: dict[str, Any], told: str
) -> None:
    assert told in refusal(config)


@pytest.mark.parametrize(
    "config",
    [
        AT | HOST,
        AT | {"dsn": "db/S?SDU=8192", "sdu": "8192"},
        AT | {"dsn": "(SECURITY=(SSL_SERVER_DN_MATCH = no))", "ssl_server_dn_match": False},
        AT | {"backoff": [1, 2, 4, 7], "max_backoff": 7},
    ],
)
def test_an_old_setting_may_say_what_the_new_one_says(config: dict[str, Any]) -> None:
    read(config)


# As a command


def environment(config: dict[str, Any]) -> dict[str, str]:
    return {f"TAP_ORACLE_TXLOG_{name.upper()}": str(value) for name, value in config.items()}


OLD_ADDRESS = {"sqlalchemy_url": None, "host": "127.0.0.1", "port": 1, "service_name": "X"}
AWAY = LOGIN | {"table": "SPC.OTHER", "max_retries": 0}


def test_a_config_of_the_last_release_still_leads_to_the_database(tap: Tap) -> None:
    run = tap.run(**OLD_ADDRESS | AWAY)
    assert run.code == 4
    assert "cannot reach Oracle at 127.0.0.1:1/X" in run.logged("ERROR")[0]
    assert len([line for line in run.logged("WARNING") if "deprecated" in line]) == 3
    assert SECRET not in run.stderr


def test_two_settings_that_differ_end_with_2_and_one_line(tap: Tap) -> None:
    run = tap.run(**OLD_ADDRESS | AWAY | {"dsn": "db:1521/ORCL"})
    assert run.code == 2
    assert run.logged("ERROR") == ["setting `host` and `dsn` are both set, and differ. Keep `dsn`"]


def test_an_unknown_setting_is_never_taken_for_an_old_one(tap: Tap) -> None:
    run = tap.run(hosts="db", user="etl")
    assert run.code == 2
    assert "unknown setting `hosts`" in run.logged("ERROR")[0]


@pytest.mark.parametrize("under_meltano", [False, True])
def test_the_environment_of_the_last_release_works(
    under_meltano: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Meltano gives a file with the settings that it knows, and passes the environment on."""
    monkeypatch.chdir(tmp_path)
    old = {"host": "db", "service_name": "ORCL", "max_backoff": "4"}
    (tmp_path / "config.json").write_text(json.dumps(LOGIN))
    variables = old if under_meltano else old | LOGIN
    for name, value in environment(variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
    if under_meltano:
        monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    made: list[TapOracleTxlog] = []

    def run(tap: TapOracleTxlog) -> None:
        made.append(tap)

    monkeypatch.setattr(TapOracleTxlog, "run", run)
    source = str(tmp_path / "config.json") if under_meltano else "ENV"
    monkeypatch.setattr(TapOracleTxlog, "setup_mapper", lambda _: None)
    TapOracleTxlog.cli.main(["--config", source], standalone_mode=False)
    config = dict(made[0].config)
    assert {name: config[name] for name in (*AT, "backoff")} == AT | {"backoff": "1,2,4"}
    assert not config.keys() & OLD.keys()
