"""Certificates, keys and tokens, made when a test needs them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nkeys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


AUTHORITY = "test authority"


@dataclass(frozen=True)
class Authority:
    """A certificate authority that lives for an hour, in a folder."""

    home: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, home: Path) -> Authority:
        home.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(AUTHORITY, key.public_key(), AUTHORITY, key, ca=True)
        _write(home / "ca.pem", certificate)
        return cls(home, key, certificate)

    @property
    def file(self) -> str:
        return str(self.home / "ca.pem")

    def issue(self, name: str, *hosts: str) -> tuple[str, str]:
        """A certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key.public_key(), AUTHORITY, self.key, hosts)
        _write(self.home / f"{name}.pem", certificate)
        (self.home / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(self.home / f"{name}.pem"), str(self.home / f"{name}.key")


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _certificate(
    subject: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    hosts: tuple[str, ...] = (),
    *,
    ca: bool = False,
) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def alternative(host: str) -> x509.GeneralName:
        if host[0].isdigit():
            return x509.IPAddress(ipaddress.ip_address(host))
        return x509.DNSName(host)

    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    if hosts:
        names = x509.SubjectAlternativeName([alternative(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


@dataclass(frozen=True)
class NKey:
    """A pair of NATS keys: ``seed`` is the secret."""

    seed: str
    public: str

    @classmethod
    def create(cls, prefix: int) -> NKey:
        seed = nkeys.encode_seed(os.urandom(32), prefix)
        return cls(seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode())

    def sign(self, claims: dict[str, Any], subject: str) -> str:
        """A JWT as NATS wants it."""
        body = {"iat": int(time.time()), "iss": self.public, "sub": subject, **claims}
        body["jti"] = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, body]
        text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        pair = nkeys.from_seed(bytearray(self.seed.encode()))
        return f"{text}.{_base64(pair.sign(text.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def user_nkey() -> NKey:
    return NKey.create(nkeys.PREFIX_BYTE_USER)


def operator_mode() -> tuple[str, str, str]:
    """The configuration of a server in operator mode, a user's credentials, and its seed."""
    operator, account, system, user = (
        NKey.create(prefix)
        for prefix in (
            nkeys.PREFIX_BYTE_OPERATOR,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_USER,
        )
    )
    no_limit = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    jetstream = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}

    def account_jwt(key: NKey, name: str, limits: dict[str, int]) -> str:
        all_limits = {**no_limit, "wildcards": True, **limits}
        nats = {"type": "account", "version": 2, "limits": all_limits}
        return operator.sign({"name": name, "nats": nats}, key.public)

    claims = {"type": "operator", "version": 2}
    config = "\n".join(
        [
            f"operator: {operator.sign({'name': 'O', 'nats': claims}, operator.public)}",
            f"system_account: {system.public}",
            "resolver: MEMORY",
            "resolver_preload {",
            f"  {account.public}: {account_jwt(account, 'A', jetstream)}",
            f"  {system.public}: {account_jwt(system, 'SYS', {})}",
            "}",
        ]
    )
    permissions = {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
    jwt = account.sign(
        {"name": "U", "nats": {"type": "user", "version": 2, **permissions}}, user.public
    )
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    return config, creds, user.seed
