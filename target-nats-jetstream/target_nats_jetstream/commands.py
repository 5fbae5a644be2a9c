"""What the target answers beside its work: how the pipeline stands, and dead letters once more.

The clients are imported where they are used, because ``--about`` has to answer at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from target_nats_jetstream.config_check import result, summary
from target_nats_jetstream.diagnosis import document
from target_nats_jetstream.doctor import command as doctor
from target_nats_jetstream.errors import ConfigurationError, DataError
from target_nats_jetstream.options import RUN
from target_nats_jetstream.status import command
from target_nats_jetstream.subject import sample_of
from target_nats_jetstream.verify import command as verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.publisher.settings import NatsSettings

COMMANDS: Final = (
    *("--doctor", "--check-config", "--status", "--verify", "--test-message"),
    *("--replay-dead-letters", "--print-nats-permissions", "--print-grants", "--print-ddl"),
    "--about",
)
"""Options that ask for something else than a run."""
GOES_WITH: Final = {
    "--format": ("--about",),
    "--input": (RUN, "--verify"),
    "--strict": ("--doctor",),
    **dict.fromkeys(("--max-age", "--program", "--watch", "--nagios"), ("--status",)),
    **dict.fromkeys(("--payload", "--repair", "--list", "--html"), ("--verify",)),
    "--json": (
        *("--doctor", "--check-config", "--status", "--verify", "--test-message", "--print-ddl"),
    ),
}
"""Which commands take an option; the rest goes with all of them."""


def options() -> list[click.Parameter]:
    """What the command line has for them."""
    return [
        *doctor.options(),
        *command.options(),
        *verify.options(),
        click.Option(
            ["--check-config"],
            is_flag=True,
            help="List all mistakes in the settings and environment variables; needs no server.",
        ),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            help=(
                "Print JSON, with --doctor, --check-config, --status, --verify, --test-message "
                "and --print-ddl."
            ),
        ),
        click.Option(
            ["--test-message"],
            is_flag=True,
            help="Publish one message to <subject>.test, of which no run takes notice.",
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
    test_message: bool = False,
    replay_dead_letters: bool = False,
    print_nats_permissions: bool = False,
    print_grants: bool = False,
    print_ddl: bool = False,
    **of_status: Any,  # noqa: ANN401 - as click hands them over
) -> bool:
    """Do what the command line asks for; whether that is anything but a run."""
    if status:
        command.show_status(ledger, nats, command.View(as_json=as_json, **of_status))
    if test_message:
        send_test(nats, as_json=as_json)
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


def show_mistakes(found: Sequence[ConfigurationError], *, as_json: bool) -> int:
    """Print what --check-config has found, and return the exit code."""
    code = ConfigurationError.exit_code if found else 0
    if as_json:
        shown = document(
            "check-config",
            exit_code=code,
            summary=summary(found),
            result=result(found),
            error=None,
        )
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join((*map(str, found), summary(found))))
    return code


def send_test(nats: NatsSettings, *, as_json: bool) -> None:
    """Publish a test message and print where it is.

    Raises:
        TargetError: It cannot be stored.
    """
    from target_nats_jetstream.publisher.trial import send_test_message  # noqa: PLC0415

    (pattern, *_) = nats.stream_subjects
    sent = send_test_message(nats, sample_of(pattern))
    text = "stored as message {sequence} of stream {stream}, under {subject}".format(**sent)
    click.echo(json.dumps({"command": "test-message", "ok": True, **sent}) if as_json else text)


def replay(nats: NatsSettings) -> None:
    """Publish the dead letters again and print what became of them.

    Raises:
        DataError: Some still cannot be published.
        TargetError: NATS cannot be reached or refuses.
    """
    from target_nats_jetstream.publisher.replay import replay_dead_letters  # noqa: PLC0415
    from target_nats_jetstream.status.words import counted  # noqa: PLC0415

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
    from target_nats_jetstream.ledger.ddl import create_tables  # noqa: PLC0415
    from target_nats_jetstream.publisher.jetstream.definition import (  # noqa: PLC0415
        as_command,
        definitions,
    )

    tables, streams = create_tables(ledger), definitions(nats)
    if as_json:
        named = dict(zip(("table", "history_table"), tables, strict=False))
        click.echo(json.dumps({**named, "streams": streams}, indent=2))
    else:
        click.echo("\n\n".join((*tables, *map(as_command, streams))))
