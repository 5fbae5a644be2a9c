"""``health_port`` answers what is true when it is asked, while the run goes on."""

from __future__ import annotations

import re
import signal
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import event, pages, schema, state
from tests.target.metrics.reading import samples
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.target import Running, Target

Answer = tuple[int, str]


def asking(running: Running) -> Callable[[str], Answer]:
    """Asks the target: for status code and text."""
    running.until_logged("health: http://")
    found = re.search(r"health: (http://\S+)/healthz", running.log)
    assert found

    def ask(path: str) -> Answer:
        try:
            with urllib.request.urlopen(f"{found[1]}{path}", timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return ask


def start(target: Target, **settings: object) -> tuple[Running, Callable[[str], Answer]]:
    target.config |= {"health_port": 0, **settings}
    running = target.start()
    return running, asking(running)


def test_it_tells_how_a_run_stands(target: Target) -> None:
    running, ask = start(target)
    running.feed(*pages(1, 30, 10))
    running.until_states(1)
    wait_until(lambda: target.ids() == list(range(1, 31)))
    wait_until(lambda: samples(ask("/metrics")[1])["txlog_messages_published_total"] == 30)
    assert ask("/healthz") == ask("/readyz") == (200, "ok\n")
    assert "txlog_run_success" not in samples(ask("/metrics")[1])
    assert ask("/")[0] == ask("/metric")[0] == 404
    running.end_input()
    run = running.end()
    assert run.code == 0
    with pytest.raises(urllib.error.URLError):
        ask("/healthz")


def test_without_nats_it_is_not_ready_and_after_a_while_not_healthy(lone_target: Target) -> None:
    """While the tap goes on as if nothing were."""
    running, ask = start(lone_target, health_max_age=2)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    assert ask("/healthz") == ask("/readyz") == (200, "ok\n")
    lone_target.server.kill()
    wait_until(lambda: ask("/readyz") == (503, "NATS is not reached\n"))
    number = 1

    def is_unhealthy() -> bool:
        nonlocal number
        number += 1
        running.feed(event(number), state(number))
        return ask("/healthz")[0] == 503

    wait_until(is_unhealthy)
    assert re.fullmatch(r"no progress for \d+ s\n", ask("/healthz")[1])
    lone_target.server.start()
    wait_until(lambda: ask("/readyz") == (200, "ok\n"))
    wait_until(lambda: lone_target.ids() == list(range(1, number + 1)))
    assert samples(ask("/metrics")[1])["txlog_outages_total"] == 1


def test_a_server_that_hangs_is_noticed_as_well(lone_target: Target) -> None:
    running, ask = start(lone_target, health_max_age=1, ack_timeout=60)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(event(2), state(2))
    wait_until(lambda: ask("/healthz")[0] == 503)
    lone_target.server.resume()
    running.until_states(2)
    wait_until(lambda: ask("/healthz")[0] == 503, what="the tap is silent for too long")
    running.feed(state(3))
    wait_until(lambda: ask("/healthz")[0] == 200)


def test_complete_is_only_what_is_acknowledged(lone_target: Target) -> None:
    """Of the tap's lag, the target may tell at once."""

    def passed(number: int, lag: int) -> dict[str, Any]:
        clocks = {"clock": f"2026-01-01T00:00:{lag}", "watermark": "2026-01-01T00:00:00"}
        message = state(number)
        message["value"]["bookmarks"]["EVENTS"]["last_pass"] = {**clocks, "held_by": "clock"}
        return message

    running, ask = start(lone_target, ack_timeout=60)
    running.feed(schema(), event(1), passed(1, 20))
    running.until_states(1)
    lone_target.server.pause()
    running.feed(event(1_002), passed(1_002, 30))
    lag, complete = "txlog_watermark_lag_seconds{clock}", "txlog_complete_up_to_timestamp_seconds"
    wait_until(lambda: samples(ask("/metrics")[1]).get(lag) == 30)
    before = samples(ask("/metrics")[1])[complete]
    lone_target.server.resume()
    running.until_states(2)
    wait_until(
        lambda: samples(ask("/metrics")[1])[complete] == pytest.approx(before + 1.001, abs=1e-4)
    )


def test_it_answers_before_nats_does(lone_target: Target) -> None:
    lone_target.server.kill()
    running, ask = start(lone_target)
    assert ask("/healthz") == (200, "ok\n")
    wait_until(lambda: ask("/readyz") == (503, "NATS is not reached\n"))
    assert samples(ask("/metrics")[1])["txlog_messages_published_total"] == 0
    lone_target.server.start()
    wait_until(lambda: ask("/readyz")[0] == 200)
    running.signal(signal.SIGTERM)
    assert running.end().code == 143


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])  # noqa: S104
def test_a_port_that_is_taken_is_a_wrong_setting(target: Target, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as other:
        try:
            other.bind((address, 0))
        except OSError:
            pytest.skip(f"{address} is no address of this host")
        other.listen()
        port = other.getsockname()[1]
        run = target.run(*pages(1, 10, 10), health_port=port, health_address=address)
    assert run.code == 2
    assert run.error == (
        f"setting `health_port` {port} is taken. Set another one, or 0 for a free one"
    )
    assert target.stored() == []


@pytest.mark.parametrize("address", ["no host", "192.0.2.7", "ü" * 70])
def test_an_address_of_another_host_is_a_wrong_setting(target: Target, address: str) -> None:
    run = target.run(*pages(1, 10, 10), health_port=0, health_address=address)
    assert run.code == 2
    assert run.error.startswith("setting `health_address` is no address of this host. Set ")


def test_nobody_else_reaches_it_by_default(target: Target) -> None:
    running, _ = start(target)
    assert "health: http://127.0.0.1:" in running.log
