"""A ledger that is told to encrypt does so, with the right server, or not at all."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from target_nats_jetstream.diagnosis import passed
from target_nats_jetstream.doctor.ask_ledger import examine_ledger
from target_nats_jetstream.errors import AccessDeniedError, ConfigurationError
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.support.mariadb import MariaDb, MariaDbDatabase, new_database, new_mariadb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_nats_jetstream.ledger.ledger import Ledger

    OpenLedger = Callable[..., Ledger]


class Identity(NamedTuple):
    """A certificate and its key, as objects and as PEM files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: str
    key_file: str


def identity(folder: Path, name: str, issuer: Identity | None = None) -> Identity:
    """A new certificate for 127.0.0.1, signed by ``issuer`` or, as an authority, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return Identity(certificate, key, str(cert_file), str(key_file))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def tls_server(authority: Identity) -> Iterator[MariaDb]:
    server = new_mariadb()
    try:
        own = identity(server.folder, "server", authority)
        server.options = [
            f"--ssl-cert={own.cert_file}",
            f"--ssl-key={own.key_file}",
            f"--ssl-ca={shutil.copy(authority.cert_file, server.folder)}",
        ]
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def tls_only(tls_server: MariaDb) -> Iterator[MariaDbDatabase]:
    """A database whose user is let in by TLS only."""
    with new_database(tls_server, "REQUIRE SSL") as database:
        yield database


def test_a_server_with_the_right_certificate_is_trusted(
    tls_only: MariaDbDatabase, authority: Identity, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger(tls_only, mariadb_ssl_ca=authority.cert_file)
    ledger.begin()

    assert len(ledger.standings()[0].rows) == 1


def test_the_doctor_tells_how_the_connection_is_encrypted(
    tls_only: MariaDbDatabase, authority: Identity
) -> None:
    config = {**tls_only.settings, "mariadb_ssl_ca": authority.cert_file}
    lines = list(examine_ledger(LedgerSettings.from_config(config)))
    (finding,) = [line.finding for line in lines if line.check == "TLS"]
    assert finding == passed("TLSv1.3, the server's certificate is verified")


def test_a_server_with_a_foreign_certificate_is_refused_at_once(
    tls_only: MariaDbDatabase, tmp_path: Path, open_ledger: OpenLedger, waits: list[float]
) -> None:
    foreign = identity(tmp_path, "foreign")

    with pytest.raises(ConfigurationError, match=r"certificate is not accepted.*mariadb_ssl"):
        open_ledger(tls_only, mariadb_ssl_ca=foreign.cert_file).begin()
    assert waits == []


def test_a_foreign_certificate_is_accepted_when_nobody_is_to_verify(
    tls_only: MariaDbDatabase, open_ledger: OpenLedger
) -> None:
    open_ledger(tls_only, mariadb_ssl=True, mariadb_ssl_verify=False).begin()


def test_a_server_without_tls_is_refused_when_tls_is_asked_for(
    mariadb: MariaDbDatabase, open_ledger: OpenLedger
) -> None:
    with pytest.raises(ConfigurationError, match=r"SSL.*Check the mariadb_ssl settings"):
        open_ledger(mariadb, mariadb_ssl=True).begin()


def test_a_client_certificate_lets_in_who_has_one(
    tls_server: MariaDb, authority: Identity, tmp_path: Path, open_ledger: OpenLedger
) -> None:
    client = identity(tmp_path, "client", authority)
    files = {"mariadb_ssl_cert": client.cert_file, "mariadb_ssl_key": client.key_file}
    with new_database(tls_server, "REQUIRE X509") as database:
        open_ledger(database, mariadb_ssl_ca=authority.cert_file, **files).begin()
        with pytest.raises(AccessDeniedError):
            open_ledger(database, mariadb_ssl_ca=authority.cert_file).begin()
