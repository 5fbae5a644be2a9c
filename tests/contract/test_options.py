"""Options of both command lines that belong to a command: without it, they start no run."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest

from tap_oracle_txlog import commands as of_tap
from tap_oracle_txlog.errors import ConfigurationError as OfTap
from tap_oracle_txlog.tap import TapOracleTxlog
from target_nats_jetstream import commands as of_target
from target_nats_jetstream.errors import ConfigurationError as OfTarget
from target_nats_jetstream.target import TargetNatsJetstream
from tests.support.target import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "a run"
#: What any command takes, as Meltano adds it, and what is answered before all else.
EVERYWHERE = {"--config", "--catalog", "--state", "--version"}
VALUES = {
    "--digest": "1h",
    "--format": "json",
    "--by": "rows",
    "--input": __file__,
    "--max-age": "1h",
    "--test": None,
    "--watch": None,
}


class Plugin(NamedTuple):
    """One of the two command lines."""

    command: click.Command
    commands: tuple[str, ...]
    goes_with: dict[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        return str(self.command.name)

    def refused(self, *options: str) -> str:
        """What is said of them; nothing where they are read."""
        arguments = [part for option in options for part in self.typed(option)]
        try:
            self.command.make_context(self.name, arguments, resilient_parsing=True).close()
        except (OfTap, OfTarget) as error:
            return str(error)
        return ""

    def typed(self, option: str) -> list[str]:
        """The option as it may be typed, with a value where it has to have one."""
        context = click.Context(self.command)
        (found,) = (one for one in self.command.get_params(context) if option in one.opts)
        assert isinstance(found, click.Option)
        value = VALUES.get(option, None if found.is_flag else "1")
        return [option] if value is None else [option, value]


PLUGINS = (
    Plugin(TapOracleTxlog.get_singer_command(), of_tap.COMMANDS, of_tap.GOES_WITH),
    Plugin(TargetNatsJetstream.get_singer_command(), of_target.COMMANDS, of_target.GOES_WITH),
)
plugins = pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)


@plugins
def test_each_option_is_a_command_or_says_with_which_it_goes(plugin: Plugin) -> None:
    options = {option.opts[0] for option in plugin.command.params} - EVERYWHERE
    assert options == {*plugin.commands, *plugin.goes_with}
    for taken_by in plugin.goes_with.values():
        assert {RUN, *plugin.commands}.issuperset(taken_by)


def pairs(plugin: Plugin) -> Iterator[tuple[str, str]]:
    for option in plugin.goes_with:
        for command in (RUN, *plugin.commands):
            yield option, command


@plugins
def test_an_option_without_its_command_is_refused_and_with_it_is_not(plugin: Plugin) -> None:
    for option, command in pairs(plugin):
        typed = [option] if command == RUN else [option, command]
        for order in (typed, typed[::-1]):
            said = plugin.refused(*order)
            if command in plugin.goes_with[option]:
                assert not said
            else:
                assert said.startswith(f"{option} goes with {plugin.goes_with[option][0]}")
                assert said.split(". ")[1].startswith("Add " if command == RUN else "Leave it out")


@plugins
def test_two_commands_are_refused_and_one_is_not(plugin: Plugin) -> None:
    for command in plugin.commands:
        assert not plugin.refused(command)
        assert not plugin.refused(command, command)
    for one, other in combinations(plugin.commands, 2):
        assert (
            plugin.refused(one, other)
            == f"{one} and {other} cannot be done at once. Choose one of them"
        )


@plugins
def test_help_is_given_on_any_of_them(plugin: Plugin) -> None:
    for option in plugin.goes_with:
        assert not plugin.refused(option, "--help")


@pytest.mark.parametrize(
    ("plugin", "options", "why"),
    [
        ("tap-oracle-txlog", ["--json"], "--json goes with --doctor, --check-config"),
        ("tap-oracle-txlog", ["--by", "rows"], "--by goes with --plan-slices. Add --plan-slices"),
        ("tap-oracle-txlog", ["--discover", "--doctor"], "--discover and --doctor cannot be"),
        ("target-nats-jetstream", ["--json"], "--json goes with --doctor, --check-config"),
        ("target-nats-jetstream", ["--nagios"], "--nagios goes with --status. Add --status"),
        ("target-nats-jetstream", ["--doctor", "--status"], "--doctor and --status cannot be"),
        ("target-nats-jetstream", ["--doctor", "--nagios"], "--nagios goes with --status. Leave"),
    ],
)
def test_that_is_one_line_and_exit_code_2(
    plugin: str, options: list[str], why: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    command: list[Any] = [Path(sys.executable).with_name(plugin), "--config", "config.json"]
    done = subprocess.run(
        [*command, *options],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert why in line
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
