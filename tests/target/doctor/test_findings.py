"""What the doctor makes of facts that no test can bring about on a real server; pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from target_nats_jetstream import encryption
from target_nats_jetstream.doctor import nats, stream
from target_nats_jetstream.doctor.made import made
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.publisher.settings import NatsSettings
from tests.target.publisher.publishing import INFO

DAY = 86_400.0


def settings(**config: object) -> NatsSettings:
    return NatsSettings.from_config({"stream": "S", **config}, ["txlog.events"], 5)


@pytest.mark.parametrize(
    ("ahead", "status", "text"),
    [
        (None, "ok", "does not tell its time"),
        (0.0, "ok", "the same time"),
        (4.9, "ok", "the same time"),
        (90.0, "warning", "this machine is 90 s ahead of the server"),
        (-7200.0, "warning", "this machine is 120 min behind the server"),
    ],
)
def test_clocks_that_differ_are_named(ahead: float | None, status: str, text: str) -> None:
    found = nats.clock(ahead)
    assert found.status == status
    assert text in found.text


@pytest.mark.parametrize(
    ("server", "login", "is_encrypted", "status"),
    [
        ("nats://n1:4222", {"user": "etl", "password": "pw"}, False, "warning"),
        ("nats://n1:4222", {"password": "token"}, False, "warning"),
        ("nats://n1:4222", {}, False, "ok"),
        ("nats://n1:4222", {"user": "etl", "password": "pw"}, True, "ok"),
        ("nats://localhost:4222", {"user": "etl", "password": "pw"}, False, "ok"),
        ("nats://[::1]:4222", {"user": "etl", "password": "pw"}, False, "ok"),
    ],
)
def test_a_password_that_leaves_the_machine_in_clear_is_named(
    server: str, login: dict[str, str], is_encrypted: bool, status: str
) -> None:
    found = nats.encryption(settings(**login), server, is_encrypted=is_encrypted)
    assert found.status == status


@pytest.mark.parametrize(
    ("config", "host", "version", "status", "text"),
    [
        ({}, "127.0.0.1", "", "ok", "within this machine"),
        ({}, "db", "", "warning", "no TLS: state and login travel in clear to db"),
        ({}, "db", "TLSv1.3", "warning", "certificate is not verified"),
        ({"mariadb_ssl": True}, "db", "TLSv1.3", "ok", "TLSv1.3, the server's certificate is"),
        (
            {"mariadb_ssl": True, "mariadb_ssl_verify": False},
            "db",
            "TLSv1.3",
            "warning",
            "certificate is not verified",
        ),
    ],
)
def test_a_ledger_that_is_not_encrypted_is_named(
    config: dict[str, object], host: str, version: str, status: str, text: str
) -> None:
    found = encryption.of_ledger(LedgerSettings.from_config(config).tls, host, version)
    assert (found.status, text in found.text) == (status, True)


@pytest.mark.parametrize(
    ("facts", "status", "text"),
    [
        ({}, "ok", "no limit to their number"),
        ({"discard": "new", "max_msgs": 100, "messages": 79}, "ok", "79% of max_msgs 100"),
        ({"discard": "new", "max_msgs": 100, "messages": 80}, "warning", "80% of max_msgs 100"),
        ({"discard": "new", "max_bytes": 100, "messages": 9, "bytes": 90}, "warning", "90% of"),
        (
            {"discard": "new", "max_bytes": 99, "messages": 9, "bytes": 90},
            "failed",
            "full (100% of max_bytes 99)",
        ),
        ({"max_msgs": 9, "messages": 9, "oldest": 60.0, "first_seq": 1}, "ok", "the oldest are"),
        ({"max_msgs": 9, "messages": 9, "oldest": DAY, "first_seq": 5}, "ok", "the oldest are"),
        ({"max_age": DAY}, "ok", ""),
    ],
)
def test_a_stream_without_room_is_named(facts: dict[str, object], status: str, text: str) -> None:
    found = stream.room(settings(), replace(INFO, **facts))  # type: ignore[arg-type]  # as they come
    assert found.status == status
    assert text in found.text


def test_a_payload_that_the_server_limits_is_named_without_a_command() -> None:
    found = stream.message_size(settings(), replace(INFO, max_payload=2048, max_msg_size=-1))
    assert (found.status, found.fix) == ("warning", "")
    assert "max_payload" in found.remedy


def test_a_check_that_fails_in_itself_is_a_finding_without_its_text() -> None:
    def crash() -> None:
        msg = "a value of a row"
        raise ValueError(msg)

    found = made(crash)  # type: ignore[arg-type]  # it never returns
    assert (found.status, found.exit_code) == ("failed", 1)
    assert "ValueError" in found.text
    assert "a value" not in found.text


@pytest.mark.parametrize(
    ("domain", "begins"),
    [
        (None, "nats stream edit S "),
        ("hub", "nats --js-domain=hub stream edit S "),
        ("imported.api", "nats --js-api-prefix=imported.api stream edit S "),
    ],
)
def test_a_command_reaches_the_stream_where_it_is(domain: str | None, begins: str) -> None:
    found = stream.duplicates(settings(domain=domain), replace(INFO, duplicate_window=1.0))
    assert found.fix.startswith(begins)
