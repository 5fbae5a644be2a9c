"""The target before its first message: what it is to the SDK, its settings and its options."""

from __future__ import annotations

import copy
import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Target, metrics
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from target_nats_jetstream import commands, settings
from target_nats_jetstream.config import check, from_environment, unreadable
from target_nats_jetstream.config_check import Names, mistakes, near_misses, unknown_variables
from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.old_settings import modern
from target_nats_jetstream.options import check as check_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click
    from singer_sdk.plugin_base import _ConfigInput


class CommandLine(SingerCommand):
    """The SDK's command line, checked before the first option is acted upon."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=args[:])
        names = [option.opts[0] for option in given]
        check_options(names, commands.COMMANDS, commands.GOES_WITH)
        return super().parse_args(ctx, args)


class ConfiguredTarget(Target):
    """A target of the SDK that reads and checks its settings in our own way."""

    name = "target-nats-jetstream"
    short_names = settings.SHORT
    config_jsonschema = {"type": "object", "properties": dict(settings.OURS)}  # noqa: RUF012
    capabilities = [  # noqa: RUF012 - declared as a class variable by the SDK
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    @cached_property
    def settings(self) -> settings.AllSettings:
        """All settings."""
        return settings.AllSettings.from_config(self._config)

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leave out what would do nothing: batch_size_rows, beside our batch_size."""
        super().append_builtin_config(config_jsonschema)
        config_jsonschema["properties"].pop("batch_size_rows", None)

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
            _ = self.settings
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
        from target_nats_jetstream.config_readers import readers  # noqa: PLC0415 - loads the clients

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
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, TypeError, ValueError, RecursionError) as error:
            reason = f"cannot read --config {', '.join(value)}: {unreadable(error)}"
            raise ConfigurationError(reason, "Name a file with the settings, or ENV") from None

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        made = super().get_singer_command()
        return CommandLine(
            name=made.name,
            callback=made.callback,
            context_settings=made.context_settings,
            help=made.help,
            params=[*made.params, *commands.options()],
            logger=cls.logger,
        )


def set_log_levels(level: str | None) -> None:
    """Set the level of the log, and leave out METRIC lines of the SDK that nobody has asked for: by
    a log configuration, or by the level.
    """
    quiet = metrics.MetricExclusionFilter(metrics=[metrics.Metric.BATCH_PROCESSING_TIME.value])
    metrics.get_metrics_logger().addFilter(quiet)
    if level:
        logging.getLogger().setLevel(level)
    is_asked_for = "SINGER_SDK_LOG_CONFIG" in os.environ
    if not is_asked_for and not logging.getLogger().isEnabledFor(logging.DEBUG):
        metrics.get_metrics_logger().setLevel(logging.WARNING)
