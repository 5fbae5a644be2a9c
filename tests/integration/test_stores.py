"""Address and login of Oracle from where they are kept, through the real driver."""

from __future__ import annotations

import base64
import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.source import OracleSource
from tools.oracle_stand_in.events import numbered

if TYPE_CHECKING:
    from pathlib import Path

    from tools.oracle_stand_in.server import StandIn

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),  # the driver's
    pytest.mark.filterwarnings("ignore:base64 encoded passwords are insecure"),
]


SECRET = "s3cr3t-Pa55"


@pytest.fixture
def kept(oracle: StandIn) -> dict[str, Any]:
    """What a store holds."""
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(3, numbered)
    value = base64.b64encode(oracle.password.encode()).decode()
    login = {"user": oracle.user, "password": {"type": "base64", "value": value}}
    return {"connect_descriptor": oracle.dsn, **login}


def columns(**config: object) -> int:
    """How many columns the table has, asked with these settings."""
    source = OracleSource(OracleSettings.from_config(config))
    try:
        return len(source.columns())
    finally:
        source.close()


def written(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return f"config-file://{path}"


def test_a_file_brings_address_and_login(kept: dict[str, Any], tmp_path: Path) -> None:
    assert columns(dsn=written(tmp_path / "oracle.json", kept)) == 6


def test_one_of_several_entries_of_a_file_is_chosen_by_its_key(
    kept: dict[str, Any], tmp_path: Path
) -> None:
    dsn = written(tmp_path / "oracle.json", {"dev": {"connect_descriptor": "x:1/X"}, "prod": kept})
    assert columns(dsn=f"{dsn}?key=prod") == 6


def test_a_name_without_folder_is_looked_for_in_config_dir(
    kept: dict[str, Any], tmp_path: Path
) -> None:
    written(tmp_path / "oracle.json", kept)
    assert columns(dsn="config-file://oracle.json", config_dir=str(tmp_path)) == 6


def test_a_login_of_the_settings_goes_before_that_of_a_file(
    oracle: StandIn, kept: dict[str, Any], tmp_path: Path
) -> None:
    mounted = tmp_path / "password"
    mounted.write_text(f"{oracle.password}\n")
    dsn = written(tmp_path / "oracle.json", kept | {"user": "nobody", "password": None})
    assert columns(dsn=dsn, user=oracle.user, password_file=str(mounted)) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": SECRET}, "has a password in plain text"),
        ({"password": {"type": "nosuchvault", "value": SECRET}}, "cannot be used"),
        ({"password": {"type": "base64", "value": f"{SECRET}-"}}, "cannot be used"),
        ({"connect_descriptor": None}, "has no connect_descriptor"),
        ({"connect_descriptor": f"({SECRET}"}, "not an alias, Easy Connect string"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_without_its_content(
    change: dict[str, Any], message: str, kept: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        columns(dsn=written(tmp_path / "oracle.json", kept | change))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_key_that_is_not_there_is_told(kept: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        columns(dsn=written(tmp_path / "oracle.json", {"prod": kept}) + "?key=test")
