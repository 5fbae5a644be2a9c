"""Three servers, three replicas: leaders change and servers die under the publisher."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import nats.errors
import pytest

from tests.target.publisher.publishing import (
    STREAM,
    goes_on,
    ids,
    ids_of,
    publishing,
    reached,
    reconnects,
    sending,
    settings_for,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from target_nats_jetstream.publisher.settings import NatsSettings
    from tools.servers.nats import NatsServer


def cluster_settings(servers: list[NatsServer], **config: object) -> NatsSettings:
    urls = [server.url for server in servers]
    return settings_for(
        servers[0], servers=urls, stream_config={"replicas": 3}, connect_timeout=20, **config
    )


def leader(servers: list[NatsServer], asked: NatsServer) -> NatsServer:
    """The server that leads the stream, as ``asked`` knows it."""
    names: list[str] = []

    def known() -> bool:
        with suppress(nats.errors.Error):
            asked.api("STREAM.NAMES", {}, seconds=1)  # the cluster itself has a leader, too
            info = asked.api(f"STREAM.INFO.{STREAM}", seconds=1)
            names.append(info.get("cluster", {}).get("leader", ""))
        return bool(names and names[-1])

    wait_until(known, what="the stream has a leader")
    return servers[int(names[-1].removeprefix("node"))]


@pytest.mark.parametrize("mode", ["fast", "atomic", "sync"])
def test_each_message_once_in_order_through_changes_of_the_leader(
    nats_cluster: list[NatsServer], mode: str
) -> None:
    at_once = 20 if mode == "sync" else 500
    settings = cluster_settings(nats_cluster, publish_mode=mode, ack_timeout=1)
    with publishing(settings) as publisher:
        assert publisher.mode == mode
        with sending(publisher, at_once=at_once) as batch:
            for change in range(1, 6):
                reached(publisher, change * 2 * at_once)
                with suppress(nats.errors.Error):  # it may have no leader at the moment
                    nats_cluster[0].api(f"STREAM.LEADER.STEPDOWN.{STREAM}", seconds=2)
            goes_on(publisher)
        assert publisher.counts.published == len(batch)
        assert publisher.counts.epochs > 1, "no change of the leader was felt"
    assert ids(leader(nats_cluster, nats_cluster[0])) == ids_of(batch)


def test_each_message_once_in_order_when_the_leader_is_killed(
    nats_cluster: list[NatsServer],
) -> None:
    with publishing(cluster_settings(nats_cluster, ack_timeout=1)) as publisher:
        victim = leader(nats_cluster, nats_cluster[0])
        with sending(publisher) as batch:
            reached(publisher, 2_000)
            victim.kill()
            goes_on(publisher)
            victim.start()
        assert publisher.counts.epochs > 1
    assert ids(leader(nats_cluster, nats_cluster[0])) == ids_of(batch)


def test_one_known_server_is_enough_to_find_the_others(nats_cluster: list[NatsServer]) -> None:
    settings = cluster_settings(nats_cluster[:1], ack_timeout=1)
    with publishing(settings) as publisher, sending(publisher) as batch:
        reached(publisher, 100)
        epochs = publisher.counts.epochs
        nats_cluster[0].kill()
        reconnects(publisher, epochs)
        goes_on(publisher)
    nats_cluster[0].start()
    assert ids(leader(nats_cluster, nats_cluster[1])) == ids_of(batch)
