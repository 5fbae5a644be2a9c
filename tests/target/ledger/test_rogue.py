"""A server that nobody has verified gets neither the password nor a file, whatever it asks for."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import ConfigurationError, TargetError
from tests.support.mariadb import new_mariadb
from tests.support.rogue_mariadb import ASKS, Rogue
from tests.target.publisher.credentials import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_nats_jetstream.ledger.ledger import Ledger
    from tests.support.mariadb import MariaDbDatabase

    OpenLedger = Callable[..., Ledger]

PASSWORD = "s3cret-pässword"
VERIFY = (
    "Set `mariadb_ssl: true` (and `mariadb_ssl_ca` if the system does not trust the certificate): "
    "the password is sent only to a verified server"
)


class At:
    """The place of a ledger that is at a rogue."""

    def __init__(self, rogue: Rogue) -> None:
        self.settings = {
            "mariadb_host": "127.0.0.1",
            "mariadb_port": rogue.port,
            "mariadb_database": "etl",
            "mariadb_user": "writer",
            "mariadb_password": PASSWORD,
        }


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS.keys())
@pytest.mark.parametrize("line", ["plain", "tls", "tls unverified"])
def test_who_is_not_verified_does_not_get_the_password(
    authority: Authority, open_ledger: OpenLedger, line: str, asks: dict[str, Any]
) -> None:
    certificate = authority.issue("rogue", "127.0.0.1") if line != "plain" else None
    tls = {"mariadb_ssl": True, "mariadb_ssl_verify": False} if line == "tls unverified" else {}
    with (
        Rogue(certificate=certificate, **asks).listening() as rogue,
        pytest.raises(ConfigurationError) as caught,
    ):
        open_ledger(At(rogue), **tls).begin()

    assert rogue.got, "it was talked to"
    assert not rogue.has(PASSWORD)
    assert PASSWORD not in str(caught.value)
    old = "switches_to" in asks and asks["switches_to"].startswith(b"\xfemysql_old")
    assert ("Let the user log in with" if old else VERIFY) in str(caught.value)


@pytest.mark.parametrize("asks", ASKS.keys() - {"old"})
def test_who_is_verified_gets_it_and_nobody_else(
    authority: Authority, tmp_path: Path, open_ledger: OpenLedger, asks: str
) -> None:
    """That the rogue knows a password when it sees one shows that the test above can fail."""
    certificate = authority.issue("rogue", "127.0.0.1")
    with Rogue(certificate=certificate, **ASKS[asks]).listening() as rogue:
        other = Authority.create(tmp_path / "other")
        with pytest.raises(ConfigurationError, match="certificate is not accepted"):
            open_ledger(At(rogue), mariadb_ssl_ca=other.file).begin()
        assert not rogue.has(PASSWORD)
        with pytest.raises(TargetError):
            open_ledger(At(rogue), mariadb_ssl_ca=authority.file).begin()
        assert rogue.has(PASSWORD)


@pytest.mark.parametrize(
    "option",
    [
        "ssl_disabled=1",
        "ssl_verify_cert=0",
        "ssl_verify_identity=0",
        "ssl_ca=ca.pem",
        "ssl=1",
        "read_default_file=my.cnf",
    ],
)
def test_a_url_does_not_undo_what_the_settings_say_of_tls(
    open_ledger: OpenLedger, option: str
) -> None:
    with Rogue(**ASKS["clear"]).listening() as rogue:
        place = At(rogue)
        url = f"mysql://writer:{PASSWORD}@127.0.0.1:{rogue.port}/etl?charset=utf8mb4&{option}"
        place.settings = {"ledger_url": url, "mariadb_ssl": True}
        with pytest.raises(ConfigurationError, match="Set the mariadb_ssl settings"):
            open_ledger(place).begin()

    assert not rogue.got


@pytest.mark.parametrize("option", ["password", "passwd"])
def test_a_password_behind_the_question_mark_is_not_sent(
    open_ledger: OpenLedger, option: str
) -> None:
    with Rogue(**ASKS["clear"]).listening() as rogue:
        place = At(rogue)
        url = f"mysql://writer@127.0.0.1:{rogue.port}/etl?{option}={PASSWORD}"
        place.settings = {"ledger_url": url}
        with pytest.raises(TargetError):
            open_ledger(place).begin()

    assert rogue.got, "it was talked to"
    assert not rogue.has(PASSWORD)


def test_a_method_whose_library_is_missing_is_a_setting_to_correct(
    open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymysql._auth._have_cryptography", False)
    with (
        Rogue(**ASKS["sha256"]).listening() as rogue,
        pytest.raises(ConfigurationError, match=r"'cryptography'.* \(2059\)\. Let the user log in"),
    ):
        open_ledger(At(rogue)).begin()


@pytest.mark.parametrize("host", ["mariadb_host", "ledger_url"])
def test_a_server_that_asks_for_a_file_gets_none(open_ledger: OpenLedger, host: str) -> None:
    with Rogue().listening() as rogue:
        place = At(rogue)
        if host == "ledger_url":
            url = f"mysql://writer:s3cret@127.0.0.1:{rogue.port}/etl?local_infile=1"
            place.settings = {"ledger_url": url}
        with pytest.raises(ConfigurationError, match="asks for a file of this machine"):
            open_ledger(place).begin()

    assert all(got.startswith(b"\3SET ") for got in rogue.got[1:]), "statements and no file"


@pytest.mark.parametrize(
    "greeting",
    [
        b'INFO {"server_id":"N"}\r\n',
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x04\0\0\0\x0a5.5",
        b"\x01\0\0\0\xff",
        b"\0\0\0\0",
    ],
)
def test_a_server_that_is_no_mariadb_is_a_setting_to_correct(
    open_ledger: OpenLedger, greeting: bytes
) -> None:
    def greet(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.sendall(greeting)
            client.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet, args=(server,))
        thread.start()
        place = At(Rogue(port=server.getsockname()[1]))
        said = "(does not come from MariaDB|number wrong).* is it the MariaDB server"
        with pytest.raises(ConfigurationError, match=said):
            open_ledger(place).begin()
        thread.join()


@pytest.mark.parametrize("password", ["pässword", "€uro", "密码", "a b'c\"d\\e", "🔑%40@:/"])
def test_a_password_is_any_unicode_text(
    mariadb: MariaDbDatabase, open_ledger: OpenLedger, password: str
) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    mariadb.execute(f"SET PASSWORD FOR '{mariadb.user}'@'%' = PASSWORD('{quoted}')")
    place = At(Rogue())
    place.settings = {**mariadb.settings, "mariadb_password": password}

    open_ledger(place).begin()


def test_the_password_of_a_user_of_ed25519_is_proved_and_not_sent(open_ledger: OpenLedger) -> None:
    server = new_mariadb()
    try:
        server.options += ["--plugin-load-add=auth_ed25519"]
        server.start()
        server.execute(
            "CREATE DATABASE etl",
            f"CREATE USER writer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')",
            "GRANT ALL ON etl.* TO writer@'%'",
        )
        place = At(Rogue(port=server.port))
        open_ledger(place).begin()
    finally:
        server.remove()
