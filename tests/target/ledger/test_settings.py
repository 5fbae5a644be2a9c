"""Settings that exist are consistent, and what is wrong is named without its value."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings, Tls

if TYPE_CHECKING:
    from pathlib import Path

PROPERTIES = LedgerSettings.properties()
SERVER = {"mariadb_host": "maria", "mariadb_database": "etl", "mariadb_user": "writer"}


def test_without_host_and_url_there_is_no_ledger() -> None:
    settings = LedgerSettings.from_config({"mariadb_host": "", "ledger_url": None})

    assert not settings.enabled
    with pytest.raises(ConfigurationError, match="no ledger is configured"):
        Ledger(settings)


def test_a_host_is_enough_to_have_the_defaults_of_v7() -> None:
    settings = LedgerSettings.from_config(SERVER)

    assert settings.enabled
    assert (settings.port, settings.table) == (3306, "ETL_PRMREC")
    assert settings.program_name == "M_INTIMECASEAGENT"
    assert (settings.create_table, settings.warn_only, settings.tls) == (True, False, None)


def test_numbers_and_flags_may_be_text_as_environment_variables_are() -> None:
    text = {
        "mariadb_port": "3307",
        "ledger_create_table": "false",
        "ledger_timeout": "2.5",
        "max_retries": "3",
        "backoff": "1.5,3",
        "mariadb_ssl": "TRUE",
    }
    settings = LedgerSettings.from_config({**SERVER, **text})

    assert (settings.port, settings.create_table, settings.timeout) == (3307, False, 2.5)
    assert settings.waits == (1.5, 3.0, 3.0)
    assert settings.tls == Tls(None, None, None, verify=True)


def test_no_retries_are_no_waits() -> None:
    assert LedgerSettings.from_config({"max_retries": 0}).waits == ()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"mariadb_database": ""}, "`mariadb_database` is missing, but `mariadb_host` is set"),
        ({"mariadb_user": None}, "`mariadb_user` is missing"),
        ({"ledger_url": "sqlite:///x"}, "`ledger_url` and `mariadb_host` are both set"),
        ({"mariadb_port": "s3cret"}, "`mariadb_port` is not a number that fits"),
        ({"mariadb_port": 70000}, "`mariadb_port` is not a number that fits"),
        ({"mariadb_port": 3306.5}, "fits. Set a whole number, at least 1, at most 65535"),
        ({"max_retries": -1}, "`max_retries` is not a number that fits"),
        ({"backoff": "inf"}, "`backoff` is not a list of numbers that fit"),
        ({"backoff": [1, "nan"]}, "`backoff` is not a list of numbers that fit"),
        ({"ledger_timeout": 0}, "`ledger_timeout` is not a number that fits"),
        ({"ledger_on_error": "s3cret"}, "`ledger_on_error` is not one of its values"),
        ({"ledger_create_table": "s3cret"}, "`ledger_create_table` is neither true nor false"),
        ({"ledger_table": "etl.PRM"}, "`ledger_table` is not a plain name"),
        ({"ledger_table": "a`; DROP TABLE b"}, "`ledger_table` is not a plain name"),
        (
            {"mariadb_ssl_cert": "c.pem"},
            "`mariadb_ssl_key` is missing: a client certificate needs its key",
        ),
        ({"mariadb_ssl_key": "k.pem"}, "`mariadb_ssl_cert` is missing"),
        ({"mariadb_password_file": "/no/such"}, "`mariadb_password_file` cannot be read: No such"),
        (
            {"mariadb_password": "s3cret", "mariadb_password_file": "f"},
            "`mariadb_password` and `mariadb_password_file` are both set",
        ),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LedgerSettings.from_config({**SERVER, **wrong})

    assert complaint in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3cret", "postgresql://u:s3cret@h/d", "mysql://u:s3cret@h:x/d"])
def test_a_url_that_leads_to_no_ledger_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError, match="`ledger_url` is not a URL of") as caught:
        Ledger(LedgerSettings.from_config({"ledger_url": url}))

    assert "s3cret" not in str(caught.value)


def test_a_password_in_the_place_of_a_port_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="a port that no server has") as caught:
        Ledger(LedgerSettings.from_config({"ledger_url": "mysql://u:271828/d"}))

    assert "271828" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3cret@h/d?read_timeout=s3cret",
        "sqlite://u:s3cret@h/x.db",
        "sqlite:///x.db?timeout=s3cret",
    ],
)
def test_a_url_that_no_driver_takes_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError, match="`ledger_url` has a part or an option") as caught:
        Ledger(LedgerSettings.from_config({"ledger_url": url}))

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:top@s3cret@h/d",
        "mysql://u:top@s3c/ret@h/d",
        "mysql://u:top@s3cret:1@h:3306/d",
        "mysql://u/x:s3cret@h/d",
        "mariadb://u@x:s3cret@h/d",
        "postgresql://u:top@s3cret@h/d",
        "mysql://h:1/d?user=u&password=top@s3cret",
    ],
)
def test_a_password_that_would_count_as_a_host_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError, match="Write @ as %40") as caught:
        Ledger(LedgerSettings.from_config({"ledger_url": url}))

    assert not any(part in str(caught.value) for part in ("s3c", "ret", "top"))


@given(st.text(st.sampled_from("@/:?#%&=[]\\,. s3cret密"), min_size=1))
def test_of_no_password_in_a_url_a_part_counts_as_the_place(password: str) -> None:
    settings = LedgerSettings.from_config({"ledger_url": f"mysql://u:{password}@host/name"})
    with contextlib.suppress(ConfigurationError):
        ledger = Ledger(settings)
        ledger.close()
        assert ledger.where == "ETL_PRMREC at host:3306/name"


def test_an_at_in_the_path_of_a_file_is_none_of_a_password(tmp_path: Path) -> None:
    ledger = Ledger(LedgerSettings.from_config({"ledger_url": f"sqlite:///{tmp_path}/a@b@c.db"}))

    assert "a@b@c.db" in ledger.where
    ledger.close()


@pytest.mark.parametrize("content", ["", "\n", "\r\n\n"])
def test_a_file_without_a_password_is_no_empty_password(tmp_path: Path, content: str) -> None:
    file = tmp_path / "password"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"`mariadb_password_file` is empty\. Write"):
        LedgerSettings.from_config({**SERVER, "mariadb_password_file": str(file)})


def test_the_password_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    settings = LedgerSettings.from_config({**SERVER, "mariadb_password_file": str(file)})

    assert settings.password == "s3cret"


def test_tls_files_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        settings = LedgerSettings.from_config({**SERVER, "mariadb_ssl_ca": str(path)})
        with pytest.raises(ConfigurationError, match="mariadb_ssl_ca, _cert and _key"):
            Ledger(settings)


def test_secrets_are_marked_in_the_schema_and_hidden_in_the_value() -> None:
    secret = {name for name, schema in PROPERTIES.items() if schema.get("secret")}
    assert secret == {"mariadb_password", "ledger_url"}

    by_host = LedgerSettings.from_config({**SERVER, "mariadb_password": "s3cret"})
    by_url = LedgerSettings.from_config({"ledger_url": "mysql://u:s3cret@h/d"})
    assert "s3cret" not in f"{by_host!r} {by_host} {by_url!r} {by_url}"


def test_each_setting_says_what_it_does() -> None:
    for name, schema in PROPERTIES.items():
        assert schema["title"], name
        assert schema["description"].endswith(".") or "old" in schema, name
        if "default" in schema:
            Draft202012Validator(schema).validate(schema["default"])


def test_reading_the_settings_loads_no_database_library() -> None:
    code = (
        "import sys, target_nats_jetstream.ledger.settings; "
        "sys.exit(bool({'sqlalchemy', 'pymysql'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PLACE = {"mariadb_host": "db", "mariadb_database": "etl", "mariadb_user": "etl"}


@pytest.mark.parametrize(
    ("word", "is_on"), [("yes", True), (" ON ", True), ("1", True), ("no", False), ("off", False)]
)
def test_a_word_may_say_yes_or_no(word: str, is_on: bool) -> None:
    settings = LedgerSettings.from_config({**PLACE, "mariadb_ssl": word})
    assert (settings.tls is not None) is is_on


@pytest.mark.parametrize("word", ["required", "maybe", "2", "tru"])
def test_another_word_does_not_turn_tls_off(word: str) -> None:
    with pytest.raises(ConfigurationError, match="`mariadb_ssl` is neither true nor false"):
        LedgerSettings.from_config({**PLACE, "mariadb_ssl": word})
