"""Whether meltano.yml, and a project with the definitions of ``hub/``, are what Meltano's own JSON
schema says; run in Meltano's environment.

.venv-meltano/bin/python -m tools.meltano_yml
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
#: What the Hub has in a definition, and a project does not.
OF_THE_HUB = {
    *("definition", "domain_url", "keywords", "log_parser", "maintenance_status", "next_steps"),
    *("prereq", "quality", "settings_preamble", "supported_python_versions", "usage"),
    "validate-records",  # a capability
}


def projects() -> Iterator[tuple[str, Any]]:
    """Each project, and where it comes from."""
    yield "meltano.yml", yaml.safe_load((ROOT / "meltano.yml").read_text())
    for path in sorted((ROOT / "hub").glob("*/*/*.yml")):
        found = yaml.safe_load(path.read_text())
        plugin = {name: value for name, value in found.items() if name not in OF_THE_HUB}
        plugin["capabilities"] = [one for one in plugin["capabilities"] if one not in OF_THE_HUB]
        yield str(path.relative_to(ROOT)), {"version": 1, "plugins": {path.parts[-3]: [plugin]}}


def errors() -> list[str]:
    """What is wrong, each with its place."""
    schema = json.loads((resources.files("meltano") / "schemas/meltano.schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [
        f"{name}: {error.json_path}: {error.message[:200]}"
        for name, project in projects()
        for error in validator.iter_errors(project)
    ]


if __name__ == "__main__":
    found = errors()
    sys.stderr.writelines(f"{error}\n" for error in found)
    sys.exit(bool(found))
