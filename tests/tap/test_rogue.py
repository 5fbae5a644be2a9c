"""A server that nobody has verified gets neither the password nor a file, be it asked for the
ledger or for the rows; and a secret in a URL that is wrongly written is never shown.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.ledger import previous_state
from tap_oracle_txlog.ledger_settings import LedgerSettings
from tap_oracle_txlog.sqlalchemy.reflection import connect
from tests.support.mariadb import new_database, new_mariadb
from tests.support.rogue_mariadb import ASKS, Rogue
from tests.target.publisher.credentials import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mariadb import MariaDb, MariaDbDatabase
    from tests.tap.command import Run, Tap

PASSWORD = "s3cret-pässword"
VERIFY = (
    "Set `mariadb_ssl: true` (and `mariadb_ssl_ca` if the system does not trust the certificate): "
    "the password is sent only to a verified server"
)
ALL_THAT_IS_LOGGED = {"TAP_ORACLE_TXLOG_LOGLEVEL": "DEBUG"}
pytestmark = pytest.mark.usefixtures("table")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


def with_ledger_at(tap: Tap, server: Rogue | MariaDb, **more: object) -> Tap:
    ledger = {
        "state_from_ledger": True,
        "mariadb_host": "127.0.0.1",
        "mariadb_port": server.port,
        "mariadb_database": "etl",
        "mariadb_user": "reader",
        "mariadb_password": PASSWORD,
    }
    return replace(tap, config={**tap.config, **ledger, **more})


def error_of(run: Run, code: int) -> str:
    (line,) = run.logged("ERROR")
    assert (run.code, run.messages) == (code, []), line
    assert PASSWORD not in run.stderr
    return line


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS.keys())
@pytest.mark.parametrize("line", ["plain", "tls", "tls unverified"])
def test_the_ledgers_password_is_not_for_who_is_not_verified(
    tap: Tap, authority: Authority, line: str, asks: dict[str, Any]
) -> None:
    certificate = authority.issue("rogue", "127.0.0.1") if line != "plain" else None
    tls = {"mariadb_ssl": True, "mariadb_ssl_verify": False} if line == "tls unverified" else {}
    with Rogue(certificate=certificate, **asks).listening() as rogue:
        said = error_of(with_ledger_at(tap, rogue, **tls).run(env=ALL_THAT_IS_LOGGED), 2)

    assert rogue.got, "it was talked to"
    assert not rogue.has(PASSWORD)
    old = "switches_to" in asks and asks["switches_to"].startswith(b"\xfemysql_old")
    assert ("Let the user log in with" if old else VERIFY) in said


def test_the_ledgers_password_is_for_who_is_verified(tap: Tap, authority: Authority) -> None:
    certificate = authority.issue("rogue", "127.0.0.1")
    with Rogue(certificate=certificate, **ASKS["clear"]).listening() as rogue:
        run = with_ledger_at(tap, rogue, mariadb_ssl_ca=authority.file).run()

    assert run.code, "it is no ledger all the same"
    assert PASSWORD not in run.stderr
    assert rogue.has(PASSWORD)


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS.keys())
def test_the_password_of_the_rows_is_not_for_who_is_not_verified(
    tap: Tap, asks: dict[str, Any]
) -> None:
    with Rogue(**asks).listening() as rogue:
        url = f"mysql+pymysql://reader:{PASSWORD}@127.0.0.1:{rogue.port}/spc?local_infile=1"
        run = tap.run(sqlalchemy_url=url, env=ALL_THAT_IS_LOGGED, max_retries=0)

    (said,) = run.logged("ERROR")
    assert rogue.got, "it was talked to"
    assert not rogue.has(PASSWORD)
    assert PASSWORD not in run.stderr
    remedy = "Add ?ssl_ca=/path/ca.pem to the URL: the password is sent only to a verified server"
    assert remedy in said or "mysql_old_password" in said


WEAKER = ["ssl_disabled=1", "ssl_verify_cert=0", "ssl_verify_identity=0", "ssl_check_hostname=0"]


@pytest.mark.parametrize("option", [*WEAKER, "ssl_ca=ca.pem"])
def test_the_ledgers_url_does_not_undo_what_the_settings_say_of_tls(tap: Tap, option: str) -> None:
    with Rogue(**ASKS["clear"]).listening() as rogue:
        url = f"mysql://reader:{PASSWORD}@127.0.0.1:{rogue.port}/etl?{option}"
        run = tap.run(state_from_ledger=True, ledger_url=url, mariadb_ssl=True)

    assert "Set the mariadb_ssl settings" in error_of(run, 2)
    assert not rogue.got


@pytest.mark.parametrize("line", ["plain", "tls"])
@pytest.mark.parametrize("option", WEAKER)
def test_an_authority_verifies_nobody_where_an_option_makes_less_of_it(
    tap: Tap, authority: Authority, line: str, option: str
) -> None:
    certificate = authority.issue("rogue", "127.0.0.1") if line == "tls" else None
    with Rogue(certificate=certificate, **ASKS["clear"]).listening() as rogue:
        url = f"mysql+pymysql://reader:{PASSWORD}@127.0.0.1:{rogue.port}/spc"
        run = tap.run(
            sqlalchemy_url=f"{url}?ssl_ca={authority.file}&{option}", env=ALL_THAT_IS_LOGGED
        )

    assert run.code
    assert not rogue.has(PASSWORD)
    assert PASSWORD not in run.stderr


def test_the_password_of_the_rows_is_for_who_is_verified(tap: Tap, authority: Authority) -> None:
    certificate = authority.issue("rogue", "127.0.0.1")
    with Rogue(certificate=certificate, **ASKS["clear"]).listening() as rogue:
        url = f"mysql+pymysql://reader:{PASSWORD}@127.0.0.1:{rogue.port}/spc"
        run = tap.run(sqlalchemy_url=f"{url}?ssl_ca={authority.file}", max_retries=0)

    assert run.code, "it is no database all the same"
    assert rogue.has(PASSWORD)


@pytest.mark.parametrize("place", ["ledger", "rows"])
def test_a_server_that_asks_for_a_file_gets_none(tap: Tap, place: str) -> None:
    with Rogue().listening() as rogue:
        url = f"mysql+pymysql://reader:s3cret@127.0.0.1:{rogue.port}/spc?local_infile=1"
        name = {"ledger": "ledger_url", "rows": "sqlalchemy_url"}[place]
        run = tap.run(state_from_ledger=place == "ledger", max_retries=0, **{name: url})

    assert run.code in {2, 4}, run.stderr
    assert "unexpected" not in run.stderr
    assert all(got.startswith((b"\3SET ", b"\3SELECT", b"\3ROLLBACK")) for got in rogue.got[1:])


@pytest.mark.parametrize("error", [RecursionError, NotImplementedError, RuntimeError])
def test_a_fault_of_the_program_is_no_answer_of_a_database(
    monkeypatch: pytest.MonkeyPatch, error: type[RuntimeError]
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("tap_oracle_txlog.ledger._select", fails)
    settings = LedgerSettings.from_config({"ledger_url": "sqlite://"})
    with pytest.raises(error):
        previous_state(settings, stream="EVENTS", replication_key="AT")
    monkeypatch.setattr("sqlalchemy.Engine.connect", fails)
    with pytest.raises(error):
        connect("sqlite://")


# TLS of the ledger


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[MariaDb]:
    server = new_mariadb()
    try:
        certificate, key = authority.issue("server", "127.0.0.1")
        files = {"cert": certificate, "key": key, "ca": authority.file}
        server.options = [
            f"--ssl-{name}={shutil.copy(path, server.folder)}" for name, path in files.items()
        ]
        server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.parametrize(
    ("tls", "code", "said"),
    [
        ({"mariadb_ssl_ca": "ours"}, 0, ""),
        ({"mariadb_ssl": True}, 2, "certificate is not accepted.*Check the mariadb_ssl settings"),
        ({"mariadb_ssl_ca": "foreign"}, 2, "certificate is not accepted"),
        ({"mariadb_ssl": True, "mariadb_ssl_verify": False}, 0, ""),
        ({"mariadb_ssl_ca": "none"}, 2, "cannot use the files of mariadb_ssl_ca"),
        (
            {"mariadb_ssl_cert": "c.pem"},
            2,
            "`mariadb_ssl_key` is missing: a client certificate needs its key",
        ),
    ],
)
def test_a_ledger_that_is_to_be_read_by_tls_is_read_so_or_not_at_all(
    tap: Tap,
    tls_server: MariaDb,
    authority: Authority,
    tmp_path: Path,
    tls: dict[str, Any],
    code: int,
    said: str,
) -> None:
    files = {"ours": authority.file, "foreign": Authority.create(tmp_path / "foreign").file}
    settings = {name: files.get(value, value) for name, value in tls.items()}
    with new_database(tls_server, "REQUIRE SSL") as database:
        run = tap.run(state_from_ledger=True, **database.settings, **settings)

    assert run.code == code, run.stderr
    if code:
        assert re.search(said, error_of(run, code))


def test_a_ledger_without_tls_is_refused_when_tls_is_asked_for(
    tap: Tap, mariadb: MariaDbDatabase
) -> None:
    run = tap.run(state_from_ledger=True, mariadb_ssl=True, **mariadb.settings)
    assert "SSL is required but the server doesn't support it" in error_of(run, 2)


@pytest.mark.parametrize("password", ["pässword", "€uro", "密码"])
def test_the_ledgers_password_is_any_unicode_text(
    tap: Tap, mariadb: MariaDbDatabase, password: str
) -> None:
    mariadb.execute(f"SET PASSWORD FOR '{mariadb.user}'@'%' = PASSWORD('{password}')")
    run = tap.run(state_from_ledger=True, **(mariadb.settings | {"mariadb_password": password}))
    assert run.code == 0, run.stderr


# URLs that are written wrongly


@pytest.mark.parametrize("setting", ["sqlalchemy_url", "ledger_url"])
@pytest.mark.parametrize(
    "login", ["u:top@s3cret", "u:top@s3c/r3t", "u:top@s3cret:x", "u/x:s3cret", "u@x:s3cret"]
)
@pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql"])
def test_a_password_with_an_at_is_not_shown_in_part_neither(
    tap: Tap, setting: str, login: str, scheme: str
) -> None:
    url = {setting: f"{scheme}://{login}@127.0.0.1:1/d"}
    run = tap.run(state_from_ledger=True, env=ALL_THAT_IS_LOGGED, max_retries=0, **url)

    (said,) = run.logged("ERROR")
    assert (run.code, run.messages) == (2, [])
    assert f"`{setting}` has a user or password with an @ or / in it. Write @ as %40" in said
    assert not any(part in run.stderr for part in ("s3c", "r3t", "top@"))
