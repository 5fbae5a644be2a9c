"""The settings of the last release: each works, alone, and says once what to do instead."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.old_settings import modern
from target_nats_jetstream.settings import OLD, OURS, AllSettings
from target_nats_jetstream.target import TargetNatsJetstream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.target import Target

SECRET = "hush-hush"
SEED = "SU" + "A" * 56
CREDS = "-BEGIN NATS USER JWT-\nx\n-BEGIN USER NKEY SEED-\ny\n"


class Case(NamedTuple):
    """The old ``name`` with a value, and what says the same; ``{file}`` holds ``content``."""

    name: str
    value: object
    now: dict[str, Any]
    content: str = ""


TRANSLATED = [
    Case("initial_backoff", 1, {"backoff": [1, 2]}),
    Case("initial_backoff", "0", {"backoff": "0"}),
    Case("max_backoff", "0.25", {"backoff": "0.1,0.2,0.25"}),
    Case("backoff_multiplier", 10, {"backoff": [0.1, 1, 2]}),
    Case("js_prefix", "imported.api", {"domain": "imported.api"}),
    Case("js_prefix", "JSAPI", {"domain": "JSAPI."}),
    Case("creds_file", "{file}", {"creds": CREDS.strip()}, CREDS),
    Case("nkey_seed", SEED, {"creds": SEED}),
    Case("nkey_seed_file", "{file}", {"creds": SEED}, f"{SEED}\n"),
    Case("token", SECRET, {"password": SECRET}),
    Case("token_file", "{file}", {"password_file": "{file}"}, f"{SECRET}\n"),
]
STILL_READ = {"checkpoint_records": "7", "max_in_flight": 3, "ledger_timeout": "0.5"}


def read(config: dict[str, Any]) -> AllSettings:
    return AllSettings.from_config(modern(config, OLD))


def prepared(config: dict[str, Any], folder: Path, content: str) -> dict[str, Any]:
    """A config with the name of the file that holds the content."""
    file = folder / "secret"
    file.write_text(content)
    return {name: str(file) if value == "{file}" else value for name, value in config.items()}


def test_every_old_name_is_tried_and_none_is_shown() -> None:
    assert {*(case.name for case in TRANSLATED), *STILL_READ} == OLD.keys()
    assert not OLD.keys() & OURS.keys()
    assert not OLD.keys() & TargetNatsJetstream.config_jsonschema["properties"].keys()


@pytest.mark.parametrize("case", TRANSLATED)
def test_an_old_setting_says_the_same_as_the_new_one(case: Case, tmp_path: Path) -> None:
    old = prepared({case.name: case.value}, tmp_path, case.content)
    now = prepared(case.now, tmp_path, case.content)
    assert read(old) == read(now) != read({})


def test_what_nothing_says_any_more_is_still_read() -> None:
    found = read(STILL_READ)
    assert found.target.checkpoint_records == 7
    assert found.nats.max_in_flight == 3
    assert found.ledger.timeout == 0.5


@pytest.mark.parametrize("name", OLD)
def test_each_old_setting_in_use_is_one_line(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cases = (*TRANSLATED, *(Case(old, value, {}) for old, value in STILL_READ.items()))
    (case, *_) = (case for case in cases if case.name == name)
    with caplog.at_level(logging.INFO):
        read(dict.fromkeys(OLD, "") | prepared({name: case.value}, tmp_path, case.content))
    (line,) = caplog.messages
    assert line.startswith(f"setting `{name}` is deprecated")
    assert OLD[name] in line
    assert SECRET not in line
    assert SEED not in line


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"backoff": "1,2", "max_backoff": 7}, "`max_backoff` and `backoff` are both set, and"),
        ({"domain": "hub", "js_prefix": "$JS.api"}, "`js_prefix` and `domain` are both set"),
        ({"creds": CREDS, "nkey_seed": SEED}, "`nkey_seed` and `creds` are both set"),
        (
            {"creds_file": "/x", "nkey_seed_file": "/y"},
            "`creds_file` and `nkey_seed_file` are both",
        ),
        ({"token": SECRET, "password": "p"}, "`token` and `password` are both set"),
        ({"token": SECRET, "token_file": "/x"}, "`token` and `token_file` are both set"),
        ({"token_file": "/x", "password": "p"}, "`password` and `password_file` are both set"),
        ({"token": SECRET, "user": "u"}, "`token` and `user` are both set"),
        ({"token": SECRET, "nkey_seed": SEED}, "`password` and `creds` are both set"),
        ({"token_file": "/no/such/file"}, "`password_file` cannot be read"),
        ({"nkey_seed": SECRET}, "`creds` is neither credentials nor a file"),
        ({"initial_backoff": SECRET}, "`initial_backoff` is not a number that fits"),
        ({"backoff_multiplier": 0.5}, "`backoff_multiplier` is not a number that fits"),
        ({"max_in_flight": 0}, "`max_in_flight` is not a number that fits"),
        ({"checkpoint_records": SECRET}, "`checkpoint_records` is not a number that fits"),
        ({"ledger_timeout": "nan"}, "`ledger_timeout` is not a number that fits"),
    ],
)
def test_an_old_setting_that_contradicts_or_does_not_fit_is_refused(
    config: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(config)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"backoff": [0.1, 0.2, 0.25], "max_backoff": 0.25},
        {"domain": "$JS.hub.API", "js_prefix": "$JS.hub.API"},
        {"creds": SEED, "nkey_seed": SEED},
        {"password": SECRET, "token": SECRET},
    ],
)
def test_an_old_setting_may_say_what_the_new_one_says(config: dict[str, Any]) -> None:
    read(config)


# As a command


def test_two_settings_that_differ_end_with_2_and_one_line(target: Target) -> None:
    run = target.run(domain="hub", js_prefix="$JS.other.API")
    assert run.code == 2
    assert "setting `js_prefix` and `domain` are both set, and differ. Keep `domain`" in run.error


@pytest.mark.parametrize("under_meltano", [False, True])
def test_the_environment_of_the_last_release_works(
    under_meltano: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Meltano gives a file with the settings that it knows, and passes the environment on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"stream": "S"}))
    for name, value in {"token": SECRET, "max_backoff": "0.25", "max_in_flight": "3"}.items():
        monkeypatch.setenv(f"TARGET_NATS_JETSTREAM_{name.upper()}", value)
    monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
    if under_meltano:
        monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    made: list[TargetNatsJetstream] = []
    monkeypatch.setattr(TargetNatsJetstream, "run", lambda target, _: made.append(target))
    source = str(tmp_path / "config.json") if under_meltano else "ENV"
    TargetNatsJetstream.cli.main(["--config", source], standalone_mode=False)
    config = dict(made[0].config)
    assert (config["password"], config["backoff"]) == (SECRET, "0.1,0.2,0.25")
    assert config.keys() & OLD.keys() == {"max_in_flight"}
