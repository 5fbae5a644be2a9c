"""A SCHEMA has nothing fetched, whatever it refers to: no host is asked and no file is read."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from tests.support.target import event, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.target import Target

#: A schema that nothing fits: whoever gets it from there, refuses all records.
NOTHING = json.dumps({"not": {}})
PLACES: dict[str, dict[str, Any]] = {
    "a reference": {"properties": {"ID": {"$ref": "URL"}}},
    "one in a definition": {"properties": {"ID": {}}, "definitions": {"a": {"$ref": "URL#/a"}}},
    "a dynamic one": {"properties": {"ID": {"$dynamicRef": "URL#a"}}},
    "one of draft 3": {
        "$schema": "http://json-schema.org/draft-03/schema#",
        "properties": {"ID": {"$ref": "URL"}},
    },
    "one of draft 4": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"ID": {"$ref": "URL"}},
    },
    "a draft": {"$schema": "URL", "properties": {"ID": {}}},
    "a draft within": {"properties": {"ID": {"$id": "urn:x", "$schema": "URL"}}},
    "a name for itself": {"$id": "URL", "properties": {"ID": {}}},
    "an old name for itself": {"id": "URL", "properties": {"ID": {}}},
}
REFUSED = (
    "a reference",
    "one in a definition",
    "a dynamic one",
    "one of draft 3",
    "one of draft 4",
)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The URL of a web server, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(NOTHING.encode())

        @override
        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x.json", paths
        server.shutdown()
        thread.join()


def with_url(place: str, url: str) -> dict[str, Any]:
    """A SCHEMA message with ``url`` in that place."""
    found = json.loads(json.dumps(PLACES[place]).replace("URL", url))
    return {**schema(), "schema": {"type": "object", **found}}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", ["web", "file"])
def test_nothing_is_fetched(
    target: Target, asked: tuple[str, list[str]], tmp_path: Path, place: str, where: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text(NOTHING)
    url = asked[0] if where == "web" else file.as_uri()
    run = target.run(
        schema("BEFORE"), event(1, "BEFORE"), state(1), with_url(place, url), record(ID=2), state(2)
    )
    assert asked[1] == []
    if place in REFUSED:
        assert run.code == 5
        assert "stream EVENTS" in run.error
        assert url in run.error
        assert target.ids() == [1]
        assert run.states == [json.dumps(state(1)["value"])]
    else:
        assert run.code in {0, 5}
        assert run.code or target.ids() == [1, 2], "that schema would have refused it"


@pytest.mark.parametrize(
    "settings",
    [
        {"validate_records": False},
        {"stream_maps": {"EVENTS": {"N": "ID"}}},
        {"flattening_enabled": True},
    ],
    ids=["no validation", "maps", "flattening"],
)
def test_nothing_is_fetched_by_the_sdk_either(
    target: Target, asked: tuple[str, list[str]], settings: dict[str, Any]
) -> None:
    more = {"flattening_max_depth": 3} if "flattening_enabled" in settings else {}
    run = target.run(with_url("a reference", asked[0]), record(ID=1), state(1), **settings, **more)
    assert asked[1] == []
    assert run.code == (0 if "validate_records" in settings else 5)
