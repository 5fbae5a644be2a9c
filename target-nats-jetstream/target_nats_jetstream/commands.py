"""What the target answers beside its work: how the pipeline stands, and dead letters once more.

The clients are imported where they are used, because ``--about`` has to answer at once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from target_nats_jetstream.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.publisher.settings import NatsSettings


def options() -> list[click.Parameter]:
    """What the command line has for them."""
    return [
        click.Option(["--status"], is_flag=True, help="Show pipeline status."),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="Print JSON, with --status and --print-ddl."
        ),
        click.Option(
            ["--max-age"],
            help=(
                "With --status: exit 1 if there was no progress within this time (90s, 30m, 2h, "
                "1d)."
            ),
        ),
        click.Option(
            ["--replay-dead-letters"], is_flag=True, help="Publish the dead letters again."
        ),
        click.Option(
            ["--print-nats-permissions"],
            is_flag=True,
            help="Print the least permissions for these settings, for nats-server's configuration.",
        ),
        click.Option(
            ["--print-grants"], is_flag=True, help="Print the least grants for the ledger's user."
        ),
        click.Option(
            ["--print-ddl"],
            is_flag=True,
            help="Print how to create the ledger's table and the stream; with --json as JSON.",
        ),
    ]


def answer(  # noqa: PLR0913 - each is one option, by keyword
    ledger: LedgerSettings,
    nats: NatsSettings,
    *,
    status: bool = False,
    as_json: bool = False,
    max_age: str | None = None,
    replay_dead_letters: bool = False,
    print_nats_permissions: bool = False,
    print_grants: bool = False,
    print_ddl: bool = False,
) -> bool:
    """Do what the command line asks for; whether that is anything but a run."""
    if status:
        show_status(ledger, nats, as_json=as_json, max_age=max_age)
    elif replay_dead_letters:
        replay(nats)
    elif print_nats_permissions:
        show_permissions(nats)
    elif print_grants:
        show_grants(ledger)
    elif print_ddl:
        show_ddl(ledger, nats, as_json=as_json)
    else:
        return False
    return True


def show_status(
    ledger_settings: LedgerSettings, nats: NatsSettings, *, as_json: bool, max_age: str | None
) -> None:
    """Print how the pipeline stands.

    Raises:
        SystemExit: 1 when there is something to look at.
        TargetError: The ledger or NATS cannot be asked.
    """
    from target_nats_jetstream.ledger.ledger import Ledger  # noqa: PLC0415
    from target_nats_jetstream.publisher.inspection import stream_state  # noqa: PLC0415
    from target_nats_jetstream.status import Status, parse_duration  # noqa: PLC0415

    age = None if max_age is None else parse_duration(max_age)
    if not ledger_settings.enabled:
        reason = "there is no ledger: neither mariadb_host nor ledger_url is set"
        raise ConfigurationError(reason, "Set one of them")
    ledger = Ledger(ledger_settings)
    try:
        standing = ledger.standing()
    finally:
        ledger.close()
    status = Status(*standing, stream_state(nats), datetime.now(UTC))
    click.echo(status.as_json(age) if as_json else status.as_text(age))
    if status.problems(age):
        raise SystemExit(1)


def replay(nats: NatsSettings) -> None:
    """Publish the dead letters again and print what became of them.

    Raises:
        DataError: Some still cannot be published.
        TargetError: NATS cannot be reached or refuses.
    """
    from target_nats_jetstream.publisher.replay import replay_dead_letters  # noqa: PLC0415
    from target_nats_jetstream.status import counted  # noqa: PLC0415

    done = replay_dead_letters(nats)
    click.echo(f"{counted(done.published, 'dead letter')} published")
    if done.invalid:
        click.echo(f"kept, because the record itself is wrong: {done.invalid}")
    if done.foreign:
        click.echo(f"left alone, because it is not a dead letter: {done.foreign}")
    if done.unpublishable:
        reason = f"{counted(done.unpublishable, 'dead letter')} still cannot be published"
        raise DataError(reason, "Fix what the warnings name and run it again")


def show_permissions(nats: NatsSettings) -> None:
    """Print what the user has to be allowed, and nothing more."""
    from target_nats_jetstream.publisher.rights import as_server_config  # noqa: PLC0415

    click.echo(as_server_config(nats))


def show_grants(ledger: LedgerSettings) -> None:
    """Print what the user of the ledger has to be granted, and nothing more.

    Raises:
        ConfigurationError: There is no ledger, or none that has users.
    """
    from target_nats_jetstream.ledger.ddl import grants  # noqa: PLC0415

    click.echo(grants(ledger))


def show_ddl(ledger: LedgerSettings, nats: NatsSettings, *, as_json: bool) -> None:
    """Print how to create what a run that may create nothing needs.

    Raises:
        ConfigurationError: ``ledger_url`` cannot be used.
    """
    from target_nats_jetstream.ledger.ddl import create_table  # noqa: PLC0415
    from target_nats_jetstream.publisher.jetstream.definition import (  # noqa: PLC0415
        as_command,
        definitions,
    )

    table, streams = create_table(ledger), definitions(nats)
    if as_json:
        click.echo(json.dumps({"table": table, "streams": streams}, indent=2))
    else:
        click.echo("\n\n".join((table, *map(as_command, streams))))
