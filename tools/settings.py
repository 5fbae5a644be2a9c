"""What is written by hand nowhere: the settings in meltano.yml, in the packages' READMEs and in
deploy/terraform.

They come from the plugins' own schema. ``make settings`` writes them, a test compares them.
"""

from __future__ import annotations

import json
import math
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_oracle_txlog.tap import TapOracleTxlog
from target_nats_jetstream.target import TargetNatsJetstream

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]

#: Full pages go through files, which Meltano does not copy line by line.
_STORAGE = {"root": ".meltano/run/batches"}
_BATCH = {"encoding": {"format": "jsonl", "compression": "none"}, "storage": _STORAGE}
PROJECT: dict[str, dict[str, Any]] = {
    "tap-oracle-txlog": {
        "batch_config": _BATCH,
        "batch_min_rows": 1000,
        "clear_batches": True,
    },
    "target-nats-jetstream": {"batch_config": _BATCH},
}
PLUGINS: dict[str, type[TapOracleTxlog | TargetNatsJetstream]] = {
    "tap-oracle-txlog": TapOracleTxlog,
    "target-nats-jetstream": TargetNatsJetstream,
}


def properties(plugin: str) -> dict[str, dict[str, Any]]:
    """All settings of a plugin, those of the SDK included."""
    schema = PLUGINS[plugin].config_jsonschema
    PLUGINS[plugin].append_builtin_config(schema)
    found: dict[str, dict[str, Any]] = schema["properties"]
    return found


def meltano_settings(plugin: str) -> str:
    """The ``settings:`` of a plugin definition, and the values that the project has for them."""
    lines = []
    for name, schema in properties(plugin).items():
        lines.append(f"    - name: {name}")
        lines.append(f"      label: {json.dumps(schema.get('title') or name)}")
        lines.append(f"      kind: {kind(schema)}")
        if schema.get("secret"):  # not an object: `meltano config print` fails at one
            lines.append("      sensitive: true")
        values = [str(value) for value in schema.get("enum", []) if value is not None]
        choices = f" One of {', '.join(values)}." if values else ""
        text = json.dumps(schema.get("description", "") + choices, ensure_ascii=False)
        lines.append(f"      description: {text}")
    lines.append("    config:")
    lines += [f"      {name}: ${env}" for name, env in PLUGINS[plugin].short_names.items()]
    lines += [f"      {name}: {_flow(value)}" for name, value in PROJECT[plugin].items()]
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    """A value as YAML on one line, without quotes where none are needed."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf, sort_keys=False).split(
        "\n"
    )[0]


def kind(schema: dict[str, Any]) -> str:
    """Meltano's kind of a setting: text, which the plugins understand, wherever that can be.

    Meltano answers a wrong number or choice with a traceback before a plugin starts, takes ``info``
    for a wrong level, and any unknown word for false, which would turn verification off. A plugin
    names the setting and what it takes, in one line.
    """
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if "string" in types:
        return "object" if "object" in types else "string"  # lists may be text with commas
    return next((kind for kind in ("array", "object") if kind in types), "string")


def settings_table(plugin: str) -> str:
    """The settings as a Markdown table."""
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    for name, schema in properties(plugin).items():
        default = schema.get("default")
        shown = "" if default is None else f"`{json.dumps(default)}`".replace('"', "")
        secret = " *(secret)*" if schema.get("secret") else ""
        env = PLUGINS[plugin].short_names.get(name)
        also = f" In `meltano.yml` also `{env}`." if env else ""
        text = " ".join(schema.get("description", "").split()).replace("|", "\\|")
        rows.append(f"| `{name}`{secret} | {shown} | {text}{also} |")
    return "\n".join(rows) + "\n"


def ssm_types() -> str:
    """V7's names of servers and logins as the members of a map of Terraform: a type for each."""
    types = {
        env: "SecureString" if properties(plugin)[name].get("secret") else "String"
        for plugin, one in PLUGINS.items()
        for name, env in one.short_names.items()
        if env.startswith(("ORACLE_", "MARIADB_", "NATS_"))
    }
    width = max(map(len, types))
    return "".join(f'    {env:{width}} = "{type_}"\n' for env, type_ in sorted(types.items()))


BLOCKS: dict[tuple[Path, str], Callable[[], str]] = {
    (ROOT / "deploy/terraform/main.tf", "parameters"): ssm_types
}
for each in PLUGINS:
    BLOCKS[ROOT / "meltano.yml", f"{each} settings"] = partial(meltano_settings, each)
    BLOCKS[ROOT / each / "README.md", "settings"] = partial(settings_table, each)


def with_block(text: str, name: str, block: str) -> str:
    """``text`` with what stands between the two marks of ``name`` replaced by ``block``."""
    begin, end = (
        rf"([^\n]*generated: {re.escape(name)}[^\n]*\n)",
        r"([^\n]*end of generated[^\n]*\n)",
    )
    found = re.search(f"{begin}.*?{end}", text, flags=re.DOTALL)
    if found is None:
        msg = f"no marks for {name}"
        raise ValueError(msg)
    return text[: found.start()] + found[1] + block + found[2] + text[found.end() :]


def stale() -> list[str]:
    """The files whose blocks are not what the plugins say."""
    return [
        f"{path.relative_to(ROOT)} ({name})"
        for (path, name), make in BLOCKS.items()
        if with_block(path.read_text(), name, make()) != path.read_text()
    ]


def write() -> None:
    """Write all blocks."""
    for (path, name), make in BLOCKS.items():
        path.write_text(with_block(path.read_text(), name, make()))


if __name__ == "__main__":
    write()
    sys.stdout.write("settings are up to date\n")
