"""The server's side of a login with the 12c verifier: keys, password check, proof of the server.

Pure: the random bytes are given. The client accepts one PBKDF2 iteration, which keeps a login at a
few milliseconds; Oracle itself asks for 4096 and 3.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VERIFIER_12C: Final = 0x4815
VERIFIER_10G: Final = 0x939
"""What Oracle announces for a password set under 10g rules: the thin driver must refuse it."""


class Salts(NamedTuple):
    """The random parts: of the verifier, of the session key, and the server's half of that key."""

    verifier: bytes
    session: bytes
    server_half: bytes

    @classmethod
    def of(cls, random: bytes) -> Salts:
        return cls(random[:16], random[16:32], random[32:64])


class Login:
    """One login: what phase one offers, and what phase two must bring."""

    def __init__(
        self, password: str, salts: Salts, *, iterations: tuple[int, int] = (1, 1)
    ) -> None:
        self._password = password.encode()
        self._salts = salts
        self._iterations = iterations
        salt = salts.verifier + b"AUTH_PBKDF2_SPEEDY_KEY"
        key = hashlib.pbkdf2_hmac("sha512", self._password, salt, iterations[0], 64)
        self._verifier = hashlib.sha512(key + salts.verifier).digest()[:32]

    def challenge(self, verifier: int = VERIFIER_12C) -> dict[str, tuple[str, int]]:
        """The parameters of phase one, each with its flags."""
        return {
            "AUTH_SESSKEY": (_hex(_encrypt(self._verifier, self._salts.server_half)), 0),
            "AUTH_VFR_DATA": (_hex(self._salts.verifier), verifier),
            "AUTH_PBKDF2_CSK_SALT": (_hex(self._salts.session), 0),
            "AUTH_PBKDF2_VGEN_COUNT": (str(self._iterations[0]), 0),
            "AUTH_PBKDF2_SDER_COUNT": (str(self._iterations[1]), 0),
        }

    def session_key(self, client_half: str) -> bytes:
        """The key both sides derive from their halves; ``client_half`` as it came in phase two."""
        half = _decrypt(self._verifier, bytes.fromhex(client_half))[:32]
        both = _hex(half + self._salts.server_half).encode()
        return hashlib.pbkdf2_hmac("sha512", both, self._salts.session, self._iterations[1], 32)

    def accepts(self, session_key: bytes, password: str) -> bool:
        """Whether ``password``, encrypted as it came in phase two, is the right one."""
        plain = _decrypt(session_key, bytes.fromhex(password))
        return plain[16 : len(plain) - plain[-1]] == self._password


def proof(session_key: bytes, padding: bytes) -> str:
    """AUTH_SVR_RESPONSE: only a server that knows the password can make it."""
    return _hex(_encrypt(session_key, padding + b"SERVER_TO_CLIENT"))


def _cipher(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))


def _encrypt(key: bytes, data: bytes) -> bytes:
    return _cipher(key).encryptor().update(data)


def _decrypt(key: bytes, data: bytes) -> bytes:
    return _cipher(key).decryptor().update(data)


def _hex(data: bytes) -> str:
    return data.hex().upper()
