"""The definitions in ``hub/``: what Meltano's Hub or ``meltano add --from-ref`` knows of a plugin.

They come from the entry in ``meltano.yml``, the package's metadata and the plugin's own schema.
``make settings`` writes them, a test compares them.
"""

from __future__ import annotations

import sys
import tomllib
from typing import TYPE_CHECKING, Any

import yaml

from tools.settings import PLUGINS, ROOT, kind, properties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The Hub names a variant after whoever keeps it.
VARIANT = "txlog"
KINDS = {"tap-oracle-txlog": "extractors", "target-nats-jetstream": "loaders"}
#: What the project's own definition says of a plugin, as opposed to how the project installs it.
_FROM_PROJECT = (
    "namespace",
    "label",
    "executable",
    "capabilities",
    "commands",
    "settings_group_validation",
)
#: What the Hub's pages show, beside the settings.
_PAGES: dict[str, dict[str, Any]] = {
    "tap-oracle-txlog": {
        "domain_url": "https://www.oracle.com/database/",
        "logo_url": "/assets/logos/extractors/oracle.png",
        "definition": (
            "reads every committed row of an Oracle event table once and in order, rows of late "
            "commits included. With `sqlalchemy_url` it reads other databases."
        ),
        "prereq": (
            "A user with SELECT on the table. For the strongest guarantee, the user may also read "
            "`GV_$TRANSACTION`; `tap-oracle-txlog --config tap.json --print-grants` prints what a "
            "DBA has to run.\n"
        ),
        "settings_preamble": (
            "`dsn` and `user`, or `sqlalchemy_url` alone, say where the table is. All settings "
            "are declared as text, so that a wrong value is reported in one line.\n"
        ),
        "next_steps": (
            "Look at all that a run needs, without changing anything:\n\n"
            "```bash\nmeltano invoke tap-oracle-txlog --doctor\n```\n"
        ),
        "usage": (
            "### Which tables\n\n"
            "Tables to which rows are only added, with a column for the time of a row's insertion "
            "(`replication_key`) and one that is unique and never NULL (`id_column`).\n\n"
            "### Follow the table\n\n"
            "With `poll_interval_seconds`, the tap goes on reading until it is stopped.\n"
        ),
    },
    "target-nats-jetstream": {
        "domain_url": "https://nats.io",
        "definition": (
            "publishes each record to a NATS JetStream stream once and in order, and passes on a "
            "STATE only when what precedes it is acknowledged."
        ),
        "prereq": (
            "A NATS server with JetStream. `create_stream: if_missing` creates the stream; "
            "otherwise `target-nats-jetstream --config target.json --print-ddl` prints what "
            "administrators have to create.\n"
        ),
        "settings_preamble": (
            "`servers`, `stream` and `subject` say where messages go. `mariadb_host` or "
            "`ledger_url` keeps a row of progress in SQL. All settings are declared as text, so "
            "that a wrong value is reported in one line.\n"
        ),
        "next_steps": (
            "Look at all that a run needs, without changing anything:\n\n"
            "```bash\nmeltano invoke target-nats-jetstream --doctor\n```\n"
        ),
        "usage": (
            "### Status\n\n"
            "`meltano invoke target-nats-jetstream --status` shows how far the pipeline is "
            "complete, when it ran, and what failed.\n"
        ),
        "capabilities": ["validate-records"],  # which Meltano's own schema does not know yet
    },
}


def file(plugin: str) -> Path:
    """Where the Hub has it."""
    return ROOT / "hub" / KINDS[plugin] / plugin / f"{VARIANT}.yml"


def definition(plugin: str) -> dict[str, Any]:
    """All that the Hub is to know of a plugin. How good it is, the Hub says itself."""
    package = tomllib.loads((ROOT / plugin / "pyproject.toml").read_text())["project"]
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"][KINDS[plugin]]
    (ours,) = (one for one in project if one["name"] == plugin)
    pages = _PAGES[plugin]
    repository = package["urls"]["Repository"]
    return {
        "name": plugin,
        "variant": VARIANT,
        "description": package["description"],
        "repo": repository,
        "docs": package["urls"]["Documentation"],
        "pip_url": f"git+{repository}#subdirectory={plugin}",
        "keywords": package["keywords"],
        "supported_python_versions": list(_versions(package["classifiers"])),
        "log_parser": "singer-sdk",
        "maintenance_status": "active",
        "quality": "unknown",
        **{name: ours[name] for name in _FROM_PROJECT if name in ours},
        **pages,
        "capabilities": sorted([*ours["capabilities"], *pages.get("capabilities", ())]),
        "settings": [_setting(name, schema) for name, schema in sorted(properties(plugin).items())],
    }


def _versions(classifiers: list[str]) -> Iterator[str]:
    """The versions of Python that a package names."""
    for classifier in classifiers:
        version = classifier.removeprefix("Programming Language :: Python :: ")
        if version.startswith("3."):
            yield version


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    found = {
        "name": name,
        "label": schema["title"],
        "kind": kind(schema),
        "description": schema["description"],
    }
    if schema.get("secret"):
        found["sensitive"] = True
    if schema.get("default") is not None:
        found["value"] = schema["default"]
    if words := [word for word in schema.get("enum", ()) if word is not None]:
        found["options"] = [{"label": word, "value": word} for word in words]
    return found


class _Dumper(yaml.SafeDumper):
    """Writes pages as people do."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def text(plugin: str) -> str:
    """The definition as a file of the Hub, whose members are in the order of their names."""
    return yaml.dump(definition(plugin), Dumper=_Dumper, allow_unicode=True, width=100)


def stale() -> list[str]:
    """The files that are not what the plugins say."""
    return [
        str(file(plugin).relative_to(ROOT))
        for plugin in PLUGINS
        if not file(plugin).exists() or file(plugin).read_text() != text(plugin)
    ]


def write() -> None:
    """Write all files."""
    for plugin in PLUGINS:
        file(plugin).parent.mkdir(parents=True, exist_ok=True)
        file(plugin).write_text(text(plugin))


if __name__ == "__main__":
    write()
    sys.stdout.write("the definitions in hub/ are up to date\n")
