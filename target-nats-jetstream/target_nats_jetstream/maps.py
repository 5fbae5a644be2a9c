"""The SDK's stream maps, and what goes wrong in them: the setting, or one record.

The text of an error in an expression may contain values of the record. Such an error is reported by
its type, and by the field and the expression of the setting, which the frame that evaluated it has.
"""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING, Any

import simpleeval
from singer_sdk.exceptions import (
    ConfigValidationError,
    MapExpressionError,
    StreamMapConfigError,
)

from target_nats_jetstream.errors import ConfigurationError, TargetError, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.mapper import StreamMap

REMEDY = "Correct it; see https://sdk.meltano.com/en/latest/stream_maps.html"
#: What an expression can never do, whatever the record is.
_MISTAKES = (
    simpleeval.FunctionNotDefined,
    simpleeval.FeatureNotAvailable,
    simpleeval.OperatorNotDefined,
    SyntaxError,
)


class MapFailedError(Exception):
    """A map cannot be applied to one record; the text has nothing of it."""


@contextlib.contextmanager
def settings_explained(stream: str | None = None) -> Iterator[None]:
    """What maps cannot be made of is a mistake in the setting.

    Raises:
        ConfigurationError: The settings of maps or flattening cannot be used.
        RecursionError: The schema is nested too deeply for the SDK.
    """
    try:
        yield
    # The SDK answers an `__else__` other than null with NotImplementedError.
    except (MapExpressionError, StreamMapConfigError, NotImplementedError) as error:
        raise _mistake(stream, str(error)) from None  # the SDK's words for the setting
    except ConfigValidationError as error:  # only flattening has settings that need each other
        reason = f"setting `flattening_enabled` cannot be used: {'; '.join(error.errors)}"
        raise ConfigurationError(reason, "Set `flattening_max_depth` to 1 or more") from None
    except TargetError:
        raise
    except Exception as error:
        if _is_of_settings(error):
            raise _mistake(stream, place_of(error)) from None
        raise


def _is_of_settings(error: Exception) -> bool:
    """Whether the SDK was at its maps; one that reads no expression goes down into the schema."""
    modules = {frame.f_globals.get("__name__") for frame in _frames(error)}
    is_of_schema = isinstance(error, RecursionError) and "ast" not in modules
    return "singer_sdk.mapper" in modules and not is_of_schema


def _mistake(stream: str | None, why: str) -> ConfigurationError:
    of_stream = f" for stream {stream}" if stream else ""
    return ConfigurationError(f"setting `stream_maps` cannot be used{of_stream}: {why}", REMEDY)


def transformed(stream_map: StreamMap, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a map makes of a record; None where it leaves the record out.

    Raises:
        MapFailedError: It cannot be applied to this record.
        ConfigurationError: It can be applied to none.
    """
    try:
        return stream_map.transform(dict(record))
    except Exception as error:  # noqa: BLE001 - whatever an expression raises
        where = _where(error)
        cause = error.__cause__ if isinstance(error, MapExpressionError) else error
        if isinstance(cause, _MISTAKES) or _is_unknown(cause, stream_map):
            stream = stream_map.stream_alias
            raise _mistake(stream, f"{where} ({type(cause).__name__})") from None
        msg = f"`stream_maps` fails in {where} ({type(cause).__name__})"
        raise MapFailedError(msg) from None


def _is_unknown(cause: BaseException | None, stream_map: StreamMap) -> bool:
    """Whether a name is missing that is no column of the stream either."""
    if not isinstance(cause, simpleeval.NameNotDefined):
        return False
    return cause.name not in stream_map.raw_schema.get("properties", {})


def _where(error: Exception) -> str:
    """The field and the expression of the setting that were evaluated."""
    for frame in reversed(_frames(error)):
        names = frame.f_locals
        if frame.f_code.co_name == "_eval" and isinstance(names.get("expr"), str):
            field = names.get("property_name")
            return f"{f'field {field}' if field else 'the filter'}: {names['expr']}"
    return "flattening" if "flatten" in place_of(error) else "a record"


def _frames(error: Exception) -> list[Any]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
