"""A server that nobody has verified gets no login in clear where TLS was asked for, and whatever it
says of itself ends in one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.errors import ConfigurationError, TargetError
from target_nats_jetstream.publisher.publisher import Publisher
from tests.support.rogue_nats import RogueNats, first_line
from tests.target.publisher.credentials import Authority
from tests.target.publisher.publishing import SUBJECT, settings_for

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "s3cr3t-Passw0rd"


def refusal(url: str, **config: object) -> TargetError:
    settings = settings_for(url, user="etl", password=PASSWORD, connect_timeout=2, **config)
    publisher = Publisher(settings, [SUBJECT])
    with pytest.raises(TargetError) as caught:
        publisher.start()
    publisher.close(timeout=5)
    return caught.value


@pytest.mark.parametrize("scheme", ["nats", "tls"])
def test_a_server_that_takes_back_its_tls_gets_no_login(tmp_path: Path, scheme: str) -> None:
    config = {"tls_ca": Authority.create(tmp_path / "ca").file} if scheme == "nats" else {}
    greetings = (first_line(tls_required=True), first_line())
    with RogueNats(greetings).listening() as rogue:
        error = refusal(rogue.url.replace("nats:", f"{scheme}:"), **config)
    assert isinstance(error, ConfigurationError)
    assert "offers no TLS" in str(error)
    assert PASSWORD.encode() not in rogue.got


NO_INFO = [b"INFO []", b"INFO 1", b"INFO null", b"INFO " + b"x" * 70_000]


@pytest.mark.parametrize("scheme", ["nats", "tls"])
@pytest.mark.parametrize("greeting", NO_INFO, ids=range(len(NO_INFO)))
def test_what_is_no_nats_is_said_to_be_none(scheme: str, greeting: bytes) -> None:
    with RogueNats((greeting + b"\r\n",)).listening() as rogue:
        error = refusal(rogue.url.replace("nats:", f"{scheme}:"))
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("what answers at ")


@pytest.mark.parametrize(
    "odd", [{"max_payload": "x"}, {"max_payload": None}, {"connect_urls": ["[", 5]}]
)
def test_what_says_odd_things_of_itself_is_no_nats_either(odd: dict[str, object]) -> None:
    with RogueNats((first_line(**odd),)).listening() as rogue:
        assert str(refusal(rogue.url)).startswith(f"what answers at {rogue.url} does not say")
