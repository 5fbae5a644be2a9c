"""Which options of the command line may stand together: one command, and each option with its own.

An option that is passed over would start a run that nobody has asked for. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

RUN: Final = "a run"
"""What is done if there is no command."""
_ANSWERED_AT_ONCE: Final = ("--help", "--version")


def check(
    given: Sequence[str], commands: Collection[str], goes_with: Mapping[str, Collection[str]]
) -> None:
    """Refuse options that do not go together.

    Args:
        given: The options on the command line.
        commands: Those that ask for something else than a run.
        goes_with: Of other options, the commands that take them; the rest goes with all of them.

    Raises:
        ConfigurationError: There are two commands, or an option that the one does not take.
    """
    if any(option in given for option in _ANSWERED_AT_ONCE):
        return
    command, *others = [option for option in dict.fromkeys(given) if option in commands] or [RUN]
    if others:
        reason = f"{command} and {others[0]} cannot be done at once"
        raise ConfigurationError(reason, "Choose one of them")
    for option in given:
        taken_by = goes_with.get(option, (command,))
        if command not in taken_by:
            reason = f"{option} goes with {_listed(taken_by)}"
            remedy = f"Add {_listed(taken_by)}" if command == RUN else "Leave it out"
            raise ConfigurationError(reason, remedy)


def _listed(names: Collection[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
