"""The tap before it reads: what it is to the SDK, its settings, and what the command line gives."""

from __future__ import annotations

import copy
import logging
import os
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from jsonschema import Draft7Validator, SchemaError
from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers._util import load_json
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from tap_oracle_txlog import commands, settings
from tap_oracle_txlog.config import check, from_environment, unreadable
from tap_oracle_txlog.config_check import Names, mistakes, near_misses, unknown_variables
from tap_oracle_txlog.errors import ConfigurationError, DataError, place_of
from tap_oracle_txlog.old_settings import modern
from tap_oracle_txlog.options import check as check_options
from tap_oracle_txlog.table import tables_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from tap_oracle_txlog.table import Table


class CommandLine(SingerCommand):
    """The SDK's command line, checked before the first option is acted upon."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=args[:])
        names = [option.opts[0] for option in given]
        check_options(names, commands.COMMANDS, commands.GOES_WITH)
        return super().parse_args(ctx, args)


class ConfiguredTap(Tap):
    """A tap of the SDK that reads and checks its settings in our own way."""

    name = "tap-oracle-txlog"
    short_names = settings.SHORT
    config_jsonschema = {"type": "object", "properties": dict(settings.OURS)}  # noqa: RUF012
    dynamic_catalog = True  # makes --discover check the settings

    @cached_property
    def settings(self) -> settings.AllSettings:
        """All settings that every table shares."""
        return settings.AllSettings.from_config(self._config)

    @cached_property
    def tables(self) -> Sequence[Table]:
        """What is read."""
        return tables_of(self._config)

    # Hooks of the SDK

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - as the SDK does it
        """Leave settings as the text that they are: the SDK's ``int`` raises without a name."""
        theirs: dict[str, Any] = {"properties": {}}
        parse_environment_config(theirs, cls._env_var_prefix)  # it reads .env
        cls.append_builtin_config(theirs)
        return from_environment([*theirs["properties"], *settings.READ], cls._env_var_prefix)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check in our own words: the SDK lets unknown names pass and shows the wrong values. It
        sees its own settings only, and gives them their defaults.
        """
        if raise_errors:
            self.append_builtin_config(self.config_jsonschema)
            self._config |= check(self._config, self.config_jsonschema, settings.READ)
        self._config = modern(self._config, settings.OLD)
        if raise_errors:
            _ = self.tables
        config = self._config
        ours = {name: config.pop(name) for name in settings.READ if name in config}
        errors = super()._validate_config(raise_errors=raise_errors)
        self._config |= ours
        return errors

    @classmethod
    def mistakes(cls, config: Mapping[str, Any], *, parse_env: bool) -> list[ConfigurationError]:
        """All that is wrong with the settings, without any server.

        Args:
            config: Those of files.
            parse_env: Whether those of the environment count as well; unknown ones always do.
        """
        from tap_oracle_txlog.config_readers import readers  # noqa: PLC0415 - loads the clients

        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        given = {**config, **(cls._env_var_config if parse_env else {})}
        names = Names(cls._env_var_prefix, schema["properties"], settings.OLD, cls.short_names)
        return [
            *mistakes(given, readers(schema)),
            *unknown_variables(os.environ, names),
            *near_misses(os.environ, names, given),
        ]

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        made = super().get_singer_command()
        return CommandLine(
            name=made.name,
            callback=made.callback,
            context_settings=made.context_settings,
            help=made.help,
            params=[*made.params, *commands.OPTIONS],
            logger=cls.logger,
        )

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        return config_of(value, "--config")


def config_of(files: Sequence[str], option: str) -> _ConfigInput:
    """What config files hold together.

    Raises:
        ConfigurationError: One is not there, or holds no JSON object.
    """
    try:
        return _ConfigInput.from_cli_args(*files)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = f"cannot read {option} {', '.join(files)}: {unreadable(error)}"
        raise ConfigurationError(reason, "Name a file with the settings, or ENV") from None


def wants_metrics() -> bool:
    """Whether METRIC lines of the SDK are asked for, by a log configuration or by its level."""
    return "SINGER_SDK_LOG_CONFIG" in os.environ or logging.getLogger().isEnabledFor(logging.DEBUG)


def json_object(option: str, file: IO[str] | None) -> dict[str, Any] | None:
    """The content of a file that was given on the command line.

    Raises:
        DataError: It is no JSON object; to go on without it would be to begin anew.
    """
    if file is None:
        return None
    try:
        with file:
            content = load_json(file.read())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        reason = f"{option} {file.name} does not contain a JSON object"
        raise DataError(reason, "Use the file that the last run wrote")
    return content


#: What reading a catalog raises that is none, or is nested too deeply.
_NO_CATALOG = (AttributeError, KeyError, TypeError, ValueError, RecursionError, SchemaError)


def catalog_of(file: IO[str] | None) -> dict[str, Any] | None:
    """The catalog that was given on the command line.

    Raises:
        DataError: It is none.
    """
    content = json_object("--catalog", file)
    if file is None or content is None:
        return None
    try:
        streams = Catalog.from_dict(content).streams
        for stream in streams:
            Draft7Validator.check_schema(stream.schema.to_dict())
    except _NO_CATALOG as error:
        reason = f"--catalog {file.name} is not a catalog: {place_of(error)}"
        raise DataError(reason, "Make one with --discover") from None
    if any(one.stream and one.stream != one.tap_stream_id for one in streams):
        reason = f"--catalog {file.name} calls a stream by two names"
        raise DataError(reason, "Make one with --discover")
    return content
