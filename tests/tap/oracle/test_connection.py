"""Connecting ends within its deadline, whatever is at the other end; real sockets, real driver."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import time
import tomllib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.errors import ConfigurationError, TapError
from tap_oracle_txlog.oracle.connection import STORES, connect
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.source import OracleSource
from tap_oracle_txlog.source import SourceLostError
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket")

SECRET = "s3cr3t-Pa55"


def config(port: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any setting
    at = f"127.0.0.1:{port}/X"
    return {"user": "u", "password": SECRET, "connect_timeout": 0.5, "dsn": at, **more}


def attempts() -> list[str]:
    """The connects that are under way in the background."""
    return [thread.name for thread in threading.enumerate() if thread.name == "oracle-connect"]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every attempt ends with its listener; the driver leaves its socket to garbage collection."""
    yield
    wait_until(lambda: not attempts(), what="the end of the attempt to connect")
    gc.collect()


@pytest.fixture
def listener(nothing_is_left: None) -> Iterator[socket.socket]:  # noqa: ARG001  # ends before it
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def failure(**arguments: Any) -> TapError:  # noqa: ANN401 - any setting
    with pytest.raises((SourceLostError, TapError)) as caught:
        OracleSource(OracleSettings.from_config(arguments))
    error = caught.value
    assert SECRET not in str(error)
    told = error.error if isinstance(error, SourceLostError) else error
    assert isinstance(told, TapError)
    return told


def test_a_silent_listener_does_not_hold_the_tap(listener: socket.socket) -> None:
    started = time.monotonic()
    told = failure(**config(port_of(listener)))
    assert time.monotonic() - started < 5
    assert str(told) == (
        f"cannot reach Oracle at 127.0.0.1:{port_of(listener)}/X (nothing within 0.5 s). Check"
        " `dsn` and firewall"
    )
    assert told.exit_code == 4


def test_an_attempt_that_was_given_up_goes_on_only_as_long_as_the_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        failure(**config(port_of(server)))
        peer, _ = server.accept()
        assert attempts()
        peer.close()
        wait_until(lambda: not attempts(), what="the end of the attempt to connect")


FIRST_CONNECT_OF_A_PROCESS = """
import sys
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.source import OracleSource

def connect(port, seconds):
    at = {"dsn": f"127.0.0.1:{port}/X", "connect_timeout": seconds}
    try:
        OracleSource(OracleSettings.from_config({"user": "u", "password": "p", **at}))
    except Exception as error:
        print(error)

connect(sys.argv[1], 0.1)
connect(sys.argv[2], 5)
"""


def test_an_attempt_that_was_given_up_does_not_hold_up_the_next_one(
    listener: socket.socket,
) -> None:
    """The driver settles its mode at the first connect of a process; others wait for that."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = port_of(closed)
    command = [sys.executable, "-c", FIRST_CONNECT_OF_A_PROCESS, str(port_of(listener)), str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True)
    first, second = done.stdout.splitlines()
    assert "(nothing within 0.1 s)" in first
    assert "(connection refused)" in second


def test_a_closed_port_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = port_of(server)
    told = failure(**config(port, connect_timeout=30))
    assert "(connection refused)" in str(told)
    assert told.exit_code == 4


def test_a_peer_that_is_no_listener_is_unreachable(listener: socket.socket) -> None:
    def answer() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    told = failure(**config(port_of(listener), connect_timeout=5))
    thread.join()
    assert "127.0.0.1" in str(told)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"dsn": "NOBODY"}, "not in any tnsnames.ora"),
        ({"dsn": "NOBODY", "config_dir": "/nonexistent"}, "not in any tnsnames.ora"),
        ({"dsn": "a..b:1521/X"}, "`dsn` has a host with no valid name"),
        ({"dsn": f"{'a' * 64}:1521/X"}, "`dsn` has a host with no valid name"),
        ({"dsn": "(DESCRIPTION=("}, "not an alias, Easy Connect string"),
        ({"dsn": "config-file:///nonexistent.json"}, "configuration store"),
        ({"dsn": "config-nobody://x"}, "not an alias, Easy Connect string"),
        ({"dsn": "127.0.0.1:1/X?https_proxy=p&https_proxy_port=1"}, "HTTPS proxy needs TLS"),
        (
            {"dsn": "127.0.0.1:1/X", "thick_mode": True, "lib_dir": "/nonexistent"},
            "Oracle Client libraries cannot be loaded",
        ),
        (
            {"dsn": "tcps://127.0.0.1:1/X", "wallet_location": "/nonexistent"},
            "(connection refused)",
        ),
    ],
)
def test_what_cannot_be_connected_to_names_its_setting(more: dict[str, Any], message: str) -> None:
    told = failure(user="u", password=SECRET, **more)
    assert message in str(told)
    assert told.exit_code in {2, 4}


@pytest.mark.parametrize(
    "dsn", [f"config-file:///nonexistent?key={SECRET}", f"(DESCRIPTION=({SECRET})"]
)
def test_what_the_driver_says_of_a_dsn_is_not_for_the_log_either(dsn: str) -> None:
    told = failure(user="u", password="p", dsn=dsn)
    assert SECRET not in "".join(traceback.format_exception(told))


@pytest.mark.parametrize(
    ("dsn", "store"),
    [
        ("config-awss3://bucket/txlog.json", "aws"),
        ("config-awssecretsmanager://txlog", "aws"),
        ("config-azure://store?key=txlog", "azure"),
        ("config-gcpsecretmanager://projects/p/secrets/s/versions/latest", "gcp"),
        ("config-gcpstorage://project=p;bucket=b;object=o", "gcp"),
        ("config-ociobject://x/y", "oci"),
    ],
)
def test_a_store_whose_client_is_missing_says_what_to_install(dsn: str, store: str) -> None:
    settings = OracleSettings.from_config({"dsn": dsn})
    with pytest.raises(ConfigurationError, match="whose client is not installed") as caught:
        connect(settings)
    assert caught.value.remedy == f"Install tap-oracle-txlog[{store}]"


def test_each_store_is_an_extra() -> None:
    project = tomllib.loads(
        (Path(__file__).parents[3] / "tap-oracle-txlog/pyproject.toml").read_text()
    )
    extras = project["project"]["optional-dependencies"]
    for store in STORES:
        assert extras[store][0].startswith(f"oracledb[{store}_config]")
