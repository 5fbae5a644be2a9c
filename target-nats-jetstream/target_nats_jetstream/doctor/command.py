"""``--doctor`` on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from target_nats_jetstream.diagnosis import Report, document
from target_nats_jetstream.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_nats_jetstream.settings import AllSettings

NAME = "doctor"


def options() -> list[click.Parameter]:
    """What the command line has for it."""
    return [
        click.Option(
            ["--doctor"],
            is_flag=True,
            help="Check servers, rights, stream, dead letters and ledger; changes nothing.",
        ),
        click.Option(
            ["--strict"], is_flag=True, help="With --doctor: exit with 1 if there is a warning."
        ),
    ]


def diagnose(read: Callable[[], AllSettings], *, as_json: bool, strict: bool) -> int:
    """Print what is in order and what is not; returns the exit code.

    Args:
        read: Reads the settings.
        as_json: Whether to print JSON, also where the settings cannot be read.
        strict: Whether a warning makes the exit code 1.

    Raises:
        TargetError: The settings cannot be read.
    """
    from target_nats_jetstream.doctor.examination import examine  # noqa: PLC0415

    try:
        settings = read()
    except TargetError as error:
        if as_json:
            _print(document(NAME, exit_code=error.exit_code, error=str(error)))
        raise
    report = Report(list(examine(settings)))
    code = report.exit_code(strict=strict)
    if as_json:
        shown = document(
            NAME, exit_code=code, summary=report.summary, result=report.result, error=None
        )
        _print(shown)
    else:
        click.echo("\n".join((*report.text, report.summary)))
    return code


def _print(shown: dict[str, object]) -> None:
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
