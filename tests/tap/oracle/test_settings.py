"""A configuration is complete and without contradictions, or it is refused; no secret shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import oracledb
import pytest
from jsonschema import Draft202012Validator

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.identifiers import TableName
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.source import TableNames

if TYPE_CHECKING:
    from pathlib import Path

PROPERTIES = OracleSettings.properties()
SECRET = "s3cr3t-Pa55"
HOST = {"user": "spc_read", "password": SECRET, "dsn": "db:1521/ORCL"}


def settings(**config: Any) -> OracleSettings:  # noqa: ANN401 - any setting
    return OracleSettings.from_config(config)


def test_the_default_table_needs_no_setting() -> None:
    made = settings(**HOST)
    assert made.table_name == TableName("SPC", "TXLOG_EVENTS")
    assert made.names == TableNames("TXLOG_EVENTS", "SPC.TXLOG_EVENTS", "EVENT_TIMESTAMP", "ID")
    assert made.zone is None
    assert made.where == "db:1521/ORCL"


def test_the_defaults_that_the_schema_announces_are_the_ones_that_hold() -> None:
    defaults = {name: found["default"] for name, found in PROPERTIES.items() if "default" in found}
    assert settings(**HOST) == settings(**defaults | HOST)


def test_empty_text_and_null_are_as_if_not_set() -> None:
    assert settings(**HOST) == settings(
        **HOST, proxy_user="", wallet_location=None, config_dir="", columns=None
    )


def test_names_are_stored_as_oracle_does() -> None:
    made = settings(**HOST, table="app.log", id_column='"Id"', columns=["id", "payload"])
    assert (made.table_name, made.names.id_column) == (TableName("APP", "LOG"), "Id")
    assert made.names.columns == ("ID", "PAYLOAD")


def test_every_setting_is_described_and_typed() -> None:
    for name, found in PROPERTIES.items():
        Draft202012Validator.check_schema(found)
        assert found["title"], name
        assert found["description"].endswith(".") or "old" in found, name
    assert {name for name, found in PROPERTIES.items() if found.get("secret")} == {
        "password",
        "wallet_password",
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"dsn": None}, "`dsn` is not set"),
        ({"user": None}, "`user` is not set"),
        ({"user": "[app]"}, "`user` is not set"),
        ({"password": None}, "no password is set"),
        ({"password_file": "/x"}, "`password` and `password_file` are both set"),
        ({"lib_dir": "/x"}, "`lib_dir` is set without `thick_mode`"),
        ({"sdu": 8192.5}, "setting `sdu` is not a number that fits. Set a whole number"),
        ({"connect_timeout": "soon"}, "setting `connect_timeout` is not a number that fits"),
        ({"call_timeout": "nan"}, "setting `call_timeout` is not a number that fits"),
        ({"call_timeout": "inf"}, "setting `call_timeout` is not a number that fits"),
        ({"array_size": -1}, "setting `array_size` is not a number that fits"),
        ({"table": "a;b"}, "setting `table` holds"),
        ({"columns": ["a", "b c"]}, "setting `columns` holds 'b c'"),
        (
            {"source_timezone": "Mars/Olympus"},
            "not a time zone: 'Mars/Olympus'",
        ),
    ],
)
def test_a_contradiction_is_refused_in_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(**HOST | config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "dsn",
    [
        f"spc/{SECRET}@db:1521/ORCL",
        f"spc/{SECRET}@//db/ORCL",
        f"spc/{SECRET}@(DESCRIPTION=)",
        f"spc/x({SECRET}@db:1521/ORCL",
        f"spc/x?{SECRET}@db:1521/ORCL",
        f"spc/x@{SECRET}@db:1521/ORCL",
    ],
)
def test_a_login_within_the_dsn_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="`dsn` contains a login") as caught:
        settings(user="u", password="p", dsn=dsn)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"dsn": "adb_high", "wallet_location": "/wallet"},
        {"dsn": "adb_high", "wallet_location": "/wallet", "user": "[app]"},
        {"dsn": "seps_alias", "thick_mode": True},
    ],
)
def test_wallet_and_client_bring_their_own_login(config: dict[str, Any]) -> None:
    arguments = settings(**config).connect_arguments()
    assert arguments["externalauth"] is True
    assert "password" not in arguments


def test_a_configuration_store_brings_login_and_address() -> None:
    arguments = settings(dsn="config-azure://store?key=x").connect_arguments()
    assert arguments["dsn"] == "config-azure://store?key=x"
    assert "externalauth" not in arguments


def test_a_mounted_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    mounted = tmp_path / "password"
    mounted.write_text(f"{SECRET}\n", encoding="utf-8")
    wallet = tmp_path / "wallet"
    wallet.write_text(" x y ", encoding="utf-8")
    made = settings(
        **HOST | {"password": None}, password_file=str(mounted), wallet_password_file=str(wallet)
    )
    assert made.connect_arguments()["password"] == SECRET
    assert made.connect_arguments()["wallet_password"] == " x y "


def test_an_empty_file_is_no_empty_password(tmp_path: Path) -> None:
    """Oracle would count it as a failed login."""
    mounted = tmp_path / "password"
    mounted.write_text("\n", encoding="utf-8")
    for name in ("password_file", "wallet_password_file"):
        with pytest.raises(ConfigurationError, match=f"`{name}` is empty"):
            settings(**HOST | {"password": None}, **{name: str(mounted)})


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_secret_that_cannot_be_read_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="`password_file` cannot be read: ") as caught:
        settings(**HOST | {"password": None}, password_file=str(path))
    assert str(path) not in str(caught.value)


def test_no_secret_is_in_any_text_of_the_settings() -> None:
    made = settings(**HOST, wallet_location="/w", wallet_password=SECRET)
    assert made.connect_arguments()["wallet_password"] == SECRET
    for text in (repr(made), str(made), f"{made}", made.where, made.user_label):
        assert SECRET not in text
    with pytest.raises(AttributeError):
        made.dsn = "elsewhere"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("alias", "alias"),
        ("tcps://db:2484/ORCL?wallet_location=/w", "tcps://db:2484/ORCL"),
        ("config-azure://store?azure_client_secret=x", "config-azure://store"),
        ("(DESCRIPTION=\n  (ADDRESS=(HOST=db)))", "(DESCRIPTION=(ADDRESS=(HOST=db)))"),
    ],
)
def test_a_dsn_is_named_in_one_line_and_without_its_parameters(dsn: str, where: str) -> None:
    assert settings(user="u", password="p", dsn=dsn).where == where


def driver_parameters(**config: Any) -> oracledb.ConnectParams:  # noqa: ANN401 - any setting
    """What the driver makes of the arguments."""
    arguments = settings(**{"user": "u", "password": "p", **config}).connect_arguments()
    dsn = arguments.pop("dsn")
    parameters: oracledb.ConnectParams = oracledb.ConnectParams(**arguments)
    parameters.parse_connect_string(dsn)
    return parameters


def test_the_driver_gets_address_and_timeouts() -> None:
    text = driver_parameters(
        dsn="db/ORCL?expire_time=4", connect_timeout="7.5"
    ).get_connect_string()
    for part in ("(HOST=db)", "(PORT=1521)", "(SERVICE_NAME=ORCL)", "(SDU=65535)"):
        assert part in text
    for part in ("(TRANSPORT_CONNECT_TIMEOUT=7500ms)", "(EXPIRE_TIME=4)"):
        assert part in text


def test_the_dsn_says_all_that_there_is_to_say_about_the_way() -> None:
    options = "https_proxy=proxy&https_proxy_port=3128&ssl_server_dn_match=off&sdu=16384"
    more = "pyo.edition=e2&pyo.disable_oob=true"
    found = driver_parameters(dsn=f"tcps://db:2484/ORCL?{options}&{more}", wallet_location="/w")
    assert (found.host, found.port, found.protocol) == ("db", 2484, "tcps")
    assert (found.https_proxy, found.https_proxy_port) == ("proxy", 3128)
    assert (found.ssl_server_dn_match, found.sdu) == (False, 16384)
    assert (found.edition, found.disable_oob) == ("e2", True)
    assert found.wallet_location == "/w"


def test_every_argument_is_one_that_the_driver_knows() -> None:
    made = settings(**HOST, wallet_location="/w", wallet_password="w", config_dir="/c")
    arguments = made.connect_arguments()
    del arguments["dsn"]  # connect() alone takes it
    parameters = oracledb.ConnectParams(**arguments)
    assert (parameters.user, parameters.program) == ("spc_read", "tap-oracle-txlog")


def test_a_user_may_log_in_for_another_one() -> None:
    parameters = driver_parameters(dsn="db/ORCL", user="etl[app]")
    assert (parameters.user, parameters.proxy_user) == ("etl", "app")
    assert settings(**HOST | {"user": "etl[app]"}).user_label == "etl"


def test_the_zone_of_the_source_is_a_zone() -> None:
    assert settings(**HOST, source_timezone="Europe/Vienna").zone == ZoneInfo("Europe/Vienna")
