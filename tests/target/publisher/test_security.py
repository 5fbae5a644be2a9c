"""Every way to log in works, every refusal is told once, and no secret is ever told."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    TargetError,
    UnreachableError,
)
from target_nats_jetstream.publisher.publisher import Publisher
from tests.target.publisher.credentials import Authority, operator_mode, user_nkey
from tests.target.publisher.publishing import (
    BATCHES,
    STREAM,
    SUBJECT,
    ids,
    ids_of,
    messages,
    publish,
    publishing,
    settings_for,
    submit,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_nats_jetstream.publisher.settings import NatsSettings
    from tools.servers.nats import NatsServer

PASSWORD = "s3cr3t-Passw0rd"
USERS = f"authorization {{ user: etl, password: {PASSWORD} }}"
LOGIN = {"user": "etl", "password": PASSWORD}


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def refusal(settings: NatsSettings) -> TargetError:
    publisher = Publisher(settings, [SUBJECT])
    with pytest.raises(TargetError) as caught:
        publisher.start()
    publisher.close(timeout=5)
    return caught.value


def works(server: NatsServer, **config: object) -> None:
    with publishing(settings_for(server, **config)) as publisher:
        publish(publisher, messages(5))
    assert ids(server) == ids_of(messages(5))


def test_user_and_password(
    make_nats: Callable[..., NatsServer], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    server = make_nats(config=USERS, connect=LOGIN)
    works(server, **LOGIN)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    works(server, user="etl", password_file=str(tmp_path / "password"))
    address = server.url.removeprefix("nats://")
    works(server, servers=f"nats://etl:{PASSWORD}@{address}")
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("password", ["pässword", "€uro", "密码"])
def test_a_password_is_any_unicode_text(
    make_nats: Callable[..., NatsServer], password: str
) -> None:
    login = {"user": "étl", "password": password}
    server = make_nats(
        config=f'authorization {{ user: "étl", password: "{password}" }}', connect=login
    )
    works(server, **login)
    address = server.url.removeprefix("nats://")
    works(server, servers=f"nats://étl:{password}@{address}")


@pytest.mark.parametrize(
    "login", [{}, {"user": "etl", "password": "wr0ng-s3cret"}, {"password": "wr0ng-s3cret"}]
)
def test_a_refused_login_is_told_at_once_and_not_tried_again(
    make_nats: Callable[..., NatsServer], login: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    server = make_nats(config=USERS, connect=LOGIN)
    error = refusal(settings_for(server, **login))
    assert isinstance(error, AccessDeniedError)
    assert f"NATS at {server.url} refuses the login" in str(error)
    assert server.log.count("authentication error") == 1
    assert "wr0ng-s3cret" not in f"{error}{caplog.text}"


def test_a_password_in_a_url_is_never_shown(make_nats: Callable[..., NatsServer]) -> None:
    server = make_nats(config=USERS, connect=LOGIN)
    url = server.url.replace("nats://", "nats://etl:wr0ng-s3cret@")
    settings = settings_for(server, servers=url)
    error = refusal(settings)
    assert "wr0ng-s3cret" not in f"{error} {settings!r} {settings.servers}"
    server.kill()
    unreachable = refusal(settings_for(server, servers=url, connect_timeout=0.3))
    assert isinstance(unreachable, UnreachableError)
    assert "wr0ng-s3cret" not in str(unreachable)


def test_token(make_nats: Callable[..., NatsServer], tmp_path: Path) -> None:
    server = make_nats(config="authorization { token: t0k3n }", connect={"token": "t0k3n"})
    works(server, password="t0k3n")
    (tmp_path / "token").write_text("t0k3n")
    works(server, password_file=str(tmp_path / "token"))
    works(server, servers=server.url.replace("nats://", "nats://t0k3n@"))


def test_nkey(
    make_nats: Callable[..., NatsServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = user_nkey()
    server = make_nats(
        config=f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}",
        connect={"nkeys_seed_str": key.seed},
    )
    works(server, creds=key.seed)
    (tmp_path / "seed").write_text(f"{key.seed}\n")
    works(server, creds=str(tmp_path / "seed"))
    other = user_nkey()
    error = refusal(settings_for(server, creds=other.seed))
    assert isinstance(error, AccessDeniedError)
    assert key.seed not in caplog.text
    assert other.seed not in f"{error}{caplog.text}"


def test_credentials_file_and_inline(
    make_nats: Callable[..., NatsServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, creds, seed = operator_mode()
    file = tmp_path / "user.creds"
    file.write_text(creds)
    server = make_nats(config=config, connect={"user_credentials": str(file)})
    works(server, creds=str(file))
    works(server, creds=creds)
    _, foreign, foreign_seed = operator_mode()
    error = refusal(settings_for(server, creds=foreign))
    assert isinstance(error, AccessDeniedError)
    assert seed not in caplog.text
    assert foreign_seed not in f"{error}{caplog.text}"


@pytest.mark.parametrize(
    "broken",
    [
        {"creds": "SUABROKEN"},
        {"creds": "no credentials at all"},
        {"creds": "-----BEGIN NATS USER JWT-----\nx\n"},
    ],
)
def test_broken_keys_are_told_as_such(broken: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_for("nats://127.0.0.1", **broken)
    assert next(iter(broken)) in str(caught.value)
    assert next(iter(broken.values())) not in str(caught.value)


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "ca")


def tls_config(authority: Authority, *hosts: str, more: str = "") -> str:
    certificate, key = authority.issue("server", *(hosts or ("127.0.0.1", "localhost")))
    files = f'cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.file}"'
    return f"tls {{ {files}, {more} }}"


def client_context(authority: Authority, *, certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(*authority.issue("truth"))
    return context


@pytest.mark.parametrize("scheme", ["nats", "tls"])
def test_tls(make_nats: Callable[..., NatsServer], authority: Authority, scheme: str) -> None:
    server = make_nats(config=tls_config(authority), connect={"tls": client_context(authority)})
    url = server.url.replace("nats://", f"{scheme}://")
    works(server, servers=url, tls_ca=authority.file)


def test_tls_before_the_first_line(
    make_nats: Callable[..., NatsServer], authority: Authority
) -> None:
    context = {"tls": client_context(authority), "tls_handshake_first": True}
    server = make_nats(
        config=tls_config(authority, more="handshake_first: true"), connect=context, greets=False
    )
    works(server, tls_ca=authority.file, tls_first=True)


def test_client_certificate(make_nats: Callable[..., NatsServer], authority: Authority) -> None:
    server = make_nats(
        config=tls_config(authority, more="verify: true"),
        connect={"tls": client_context(authority, certificate=True)},
    )
    certificate, key = authority.issue("client")
    works(server, tls_ca=authority.file, tls_cert=certificate, tls_key=key)
    error = refusal(settings_for(server, tls_ca=authority.file))
    assert isinstance(error, AccessDeniedError)
    assert "`tls_cert` and `tls_key`" in str(error)


def test_a_certificate_of_an_unknown_authority_is_refused(
    make_nats: Callable[..., NatsServer], authority: Authority, tmp_path: Path
) -> None:
    server = make_nats(config=tls_config(authority))
    other = Authority.create(tmp_path / "other")
    for config in ({}, {"tls_ca": other.file}):
        error = refusal(settings_for(server, **config))
        assert isinstance(error, ConfigurationError)
        assert "not trusted" in str(error)
        assert "`tls_ca`" in str(error)


def test_a_certificate_for_another_name_needs_that_name(
    make_nats: Callable[..., NatsServer], authority: Authority
) -> None:
    server = make_nats(
        config=tls_config(authority, "nats.example"), connect={"tls": client_context(authority)}
    )
    error = refusal(settings_for(server, tls_ca=authority.file))
    assert "`tls_hostname`" in str(error)
    works(server, tls_ca=authority.file, tls_hostname="nats.example")


def test_no_password_goes_out_in_clear_where_tls_was_asked_for(
    make_nats: Callable[..., NatsServer], authority: Authority
) -> None:
    server = make_nats(config=USERS, connect=LOGIN)
    error = refusal(settings_for(server, tls_ca=authority.file, **LOGIN))
    assert isinstance(error, ConfigurationError)
    assert "offers no TLS" in str(error)


# Rights


def with_rights(make_nats: Callable[..., NatsServer], publish: str, subscribe: str) -> NatsServer:
    """A server with a user ``etl`` of few rights, and one of all for the truth."""
    rights = f"publish: [{publish}], subscribe: [{subscribe}]"
    users = (
        f"{{ user: etl, password: {PASSWORD}, permissions: {{ {rights} }} }}, "
        "{ user: all, password: pw }"
    )
    server = make_nats(
        config=f"authorization {{ users: [ {users} ] }}", connect={"user": "all", "password": "pw"}
    )
    server.add_stream(STREAM, ["txlog.>"], **BATCHES)
    return server


@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
def test_a_missing_right_to_publish_is_told_at_once(
    make_nats: Callable[..., NatsServer], mode: str
) -> None:
    server = with_rights(make_nats, '"$JS.API.>"', '"_INBOX.>"')
    with publishing(server, publish_mode=mode, **LOGIN) as publisher:
        assert not publisher.wait(submit(publisher, messages(3)), 10)
        assert isinstance(publisher.failure, AccessDeniedError)
        assert "NATS refuses publish to txlog.events for user etl" in str(publisher.failure)
        assert "`txlog.>`" in str(publisher.failure)


def test_a_missing_right_to_the_api_is_told_at_the_start(
    make_nats: Callable[..., NatsServer],
) -> None:
    server = with_rights(make_nats, '"txlog.>"', '"_INBOX.>"')
    error = refusal(settings_for(server, **LOGIN))
    assert isinstance(error, AccessDeniedError)
    assert "NATS refuses publish to $JS.API.STREAM.INFO.EVENTS for user etl" in str(error)
    assert "Allow publishing to `$JS.API.STREAM.INFO.EVENTS` (" in str(error)


def test_a_missing_right_to_the_inbox_points_to_the_prefix(
    make_nats: Callable[..., NatsServer],
) -> None:
    server = with_rights(make_nats, '">"', '"_INBOX_etl.>"')
    error = refusal(settings_for(server, **LOGIN))
    assert isinstance(error, AccessDeniedError)
    assert "refuses subscription" in str(error)
    assert "`inbox_prefix`" in str(error)
    works(server, inbox_prefix="_INBOX_etl", **LOGIN)


def test_a_domain_is_part_of_the_api(make_nats: Callable[..., NatsServer]) -> None:
    server = make_nats(jetstream="domain: hub")
    works(server, domain="hub")
    works(server, domain="$JS.hub.API")
    error = refusal(settings_for(server, domain="nowhere", connect_timeout=0.5))
    assert "JetStream does not answer on $JS.nowhere.API" in str(error)
