"""The definitions in ``hub/`` are what the plugins say, and what the Hub takes.

What it takes is written here by hand, after ``schemas/plugin_definitions``, ``schemas/common`` and
``yaml_check_names.py`` of the repository meltano/hub (August 2026).
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tools.hub import KINDS, VARIANT, definition, file, stale
from tools.settings import PLUGINS, properties

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
CAPABILITIES = {
    "extractors": (
        *(
            "properties",
            "catalog",
            "discover",
            "state",
            "about",
            "stream-maps",
            "schema-flattening",
        ),
        *("activate-version", "batch", "test", "log-based", "structured-logging"),
    ),
    "loaders": (
        *("about", "stream-maps", "activate-version", "batch", "soft-delete", "hard-delete"),
        *("datatype-failsafe", "schema-flattening", "target-schema", "validate-records"),
        "structured-logging",
    ),
}
SETTING = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("name", "label", "description"), TEXT),
        "kind": {"enum": ["string", "object", "array", "integer", "boolean", "options"]},
        "sensitive": {"type": "boolean"},
        "value": {},
        "options": {
            "type": "array",
            "items": {"type": "object", "properties": {"label": TEXT, "value": TEXT}},
        },
    },
}


def schema(kind: str) -> dict[str, Any]:
    """The members that we use, of those that the Hub knows."""
    return {
        "type": "object",
        "required": ["name", "namespace", "variant", "quality"],
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(("name", "namespace", "variant", "label", "description", "docs"), TEXT),
            **dict.fromkeys(("executable", "pip_url", "repo", "logo_url", "domain_url"), TEXT),
            **dict.fromkeys(("definition", "prereq", "settings_preamble", "next_steps"), TEXT),
            **dict.fromkeys(("usage", "log_parser"), TEXT),
            "keywords": TEXTS,
            "supported_python_versions": {"type": "array", "items": {"pattern": r"^3\.\d+$"}},
            "maintenance_status": {
                "enum": ["active", "beta", "development", "inactive", "unknown"]
            },
            "quality": {"const": "unknown"},  # gold, silver and bronze are the Hub's to give
            "commands": {"type": "object"},
            "capabilities": {"type": "array", "items": {"enum": list(CAPABILITIES[kind])}},
            "settings_group_validation": {"type": "array", "items": TEXTS},
            "settings": {"type": "array", "items": SETTING},
        },
    }


def test_they_are_up_to_date() -> None:
    assert stale() == [], "run `make settings`"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_hub_takes_them(plugin: str) -> None:
    found = yaml.safe_load(file(plugin).read_text())
    errors = Draft7Validator(schema(KINDS[plugin])).iter_errors(found)
    assert [f"{error.json_path}: {error.message[:100]}" for error in errors] == []
    assert (found["name"], found["variant"]) == (file(plugin).parent.name, VARIANT)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_they_say_all_that_active_definitions_say(plugin: str) -> None:
    found = definition(plugin)
    for name in ("prereq", "next_steps", "usage", "settings_preamble", "label", "description"):
        assert found[name]
    assert "meltano_sdk" in found["keywords"]
    groups = {name for group in found["settings_group_validation"] for name in group}
    assert groups <= properties(plugin).keys()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_setting_has_its_default_its_choices_and_its_secrecy(plugin: str) -> None:
    settings = {one["name"]: one for one in definition(plugin)["settings"]}
    assert settings.keys() == properties(plugin).keys()
    for name, schema in properties(plugin).items():
        one = settings[name]
        assert one.get("value") == schema.get("default")
        assert one.get("sensitive", False) == schema.get("secret", False)
        words = [word for word in schema.get("enum", ()) if word is not None]
        assert [option["value"] for option in one.get("options", ())] == words
