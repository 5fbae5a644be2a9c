"""The parameters of deploy/terraform: their form, and that their values are left alone.

What they are named is generated (tests/contract/test_settings.py). Terraform itself is asked only
where it is installed, and only what it can say without its providers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy/terraform"


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_finds_nothing_to_format() -> None:
    command = ["terraform", "fmt", "-check", "-diff", "-recursive", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_value_is_written_down_and_none_is_changed() -> None:
    text = (FOLDER / "main.tf").read_text()
    assert re.findall(r"^ +value +=(.*)$", text, re.MULTILINE) == [
        ' "not set yet"',
        " data.aws_iam_policy_document.read.json",  # of the output
    ]
    assert re.search(r"lifecycle \{\s+ignore_changes = \[value\]\s+\}", text)
    for name in ("ORACLE_PASSWORD", "MARIADB_PASSWORD", "NATS_SERVERS"):
        assert re.search(rf"{name} += \"SecureString\"", text)
