"""Whether meltano.yml is what Meltano's own JSON schema says; run in Meltano's environment.

.venv-meltano/bin/python -m tools.meltano_yml
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import yaml

FILE = Path(__file__).parents[1] / "meltano.yml"


def errors() -> list[str]:
    """What is wrong, each with its place."""
    schema = json.loads((resources.files("meltano") / "schemas/meltano.schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    found = validator.iter_errors(yaml.safe_load(FILE.read_text()))
    return [f"{FILE.name}: {error.json_path}: {error.message[:200]}" for error in found]


if __name__ == "__main__":
    found = errors()
    sys.stderr.writelines(f"{error}\n" for error in found)
    sys.exit(bool(found))
