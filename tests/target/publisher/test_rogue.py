"""A server that nobody has verified gets no login in clear where TLS was asked for."""

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
