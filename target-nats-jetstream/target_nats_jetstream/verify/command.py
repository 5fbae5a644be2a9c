"""The option ``--verify`` and those that go with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from target_nats_jetstream.verify.verification import Asked

_BESIDE = "payload", "repair", "list_file", "html_file"


def options() -> list[click.Parameter]:
    """What the command line has for it."""
    return [
        click.Option(
            ["--verify"],
            is_flag=True,
            help="Compare the input with the stream, and publish nothing; exit 5 if they differ.",
        ),
        click.Option(["--payload"], is_flag=True, help="With --verify: compare payloads as well."),
        click.Option(
            ["--repair"],
            is_flag=True,
            help="With --verify: publish the rows that the stream lacks, and change nothing else.",
        ),
        click.Option(
            ["--list", "list_file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help="With --verify: write each difference to this file, as a line of JSON.",
        ),
        click.Option(
            ["--html", "html_file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help="With --verify: draw the buckets on a page to look at.",
        ),
    ]


def asked_for(given: dict[str, Any]) -> Asked | None:
    """Take what is asked for out of the options; None where that is no comparison.

    Raises:
        ConfigurationError: Two files are the same.
    """
    beside = {name: given.pop(name) for name in _BESIDE}
    if not given.pop("verify"):
        return None
    if beside["list_file"] and beside["list_file"] == beside["html_file"]:
        reason = "--list and --html name the same file"
        raise ConfigurationError(reason, "Name two files")
    from target_nats_jetstream.verify.verification import Asked  # noqa: PLC0415 - loads the client

    return Asked(**beside, as_json=given["as_json"])
