"""What the pages name exists: options, settings, environment variables, and lines of the log."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tap_oracle_txlog import dask, slice_pipe
from tools.settings import PLUGINS, ROOT, properties

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
    + [path for plugin in PLUGINS for path in (ROOT / plugin).glob("*.md")]
}
OPTIONS_OF_OTHERS = {
    "--environment",  # meltano
    "--log-config",
    "--log-format",
    "--force",
    "--input-file",
    "--full-refresh",
    "--select",
    "--state-id-suffix",
    "--timeout",
    "--require-hashes",  # pip
    "--rows",  # tools.oracle_stand_in
    *("--nthreads", "--resources"),  # dask
    *("--kills", "--replicas", "--slices"),  # tests.soak_slices
    *("--dupe-window", "--last-for"),  # nats
    *("--rm", "--read-only", "--env-file", "--entrypoint", "--build-arg", "--target", "--tmpfs"),
    *("--namespace", "--kustomize", "--from-file"),  # kubectl
    "--now",  # systemctl
    *("--no-usage-stats", "--no-install", "--from-ref"),  # meltano
    *("--constraint", "--python"),  # pip
    *("--path", "--with-decryption", "--query", "--output", "--overwrite", "--secret-id"),  # aws
    *("--vault-name", "--name", "--secret", "--raw-output"),  # az, gcloud, oci
}
WORDS_OF_OTHERS = {
    *("allow_atomic", "allow_batched", "duplicate_window", "max_age", "max_bytes", "max_msgs"),
    *("max_msgs_per_subject", "max_payload", "subject_transform", "sync_interval"),  # NATS
    *("ed25519", "mysql_native_password", "mysql_clear_password", "sha256_password"),  # MariaDB
    *("caching_sha2_password", "ssl_ca", "ssl_check_hostname", "ssl_disabled", "ssl_verify_cert"),
    *("ssl_verify_identity", "ssl_server_dn_match"),
    *("complete_before", "replication_key_value"),  # a bookmark
    *("if_missing", "dead_letter"),  # values
    "tail_start_date",  # a plan
    *("config_time_to_live", "azure_client_secret", "aws_secret_access_key"),  # python-oracledb
    *("trace_id", "parse_float", "pip_url", "exit_code"),
}
#: A page shows what is said of it.
MISSPELT = "BACKOF"
TEXTS_OF_OTHERS = {
    "command not found",  # bash
    "must be run inside a Meltano project",  # meltano
    "Another '…' pipeline is already running",
    "Block run completed",
}


def options(plugin: str) -> set[str]:
    return {option for one in PLUGINS[plugin].cli.params for option in one.opts}


def options_of_slices() -> set[str]:
    commands = (slice_pipe.command, dask.command)
    return {option for command in commands for one in command.params for option in one.opts}


def settings() -> set[str]:
    return {name for plugin in PLUGINS for name in properties(plugin)}


@pytest.mark.parametrize("page", PAGES)
def test_every_option_exists(page: str) -> None:
    known = OPTIONS_OF_OTHERS | options_of_slices()
    for plugin in PLUGINS:
        known |= options(plugin)
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*\w(?![\w-])", PAGES[page]))
    assert named <= known


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_exists(page: str) -> None:
    """In code, a word with an underscore in it is the name of a setting, or a text of the code."""
    words = re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)(?:: [^`]*)?`", PAGES[page])
    assert set(words) - settings() - WORDS_OF_OTHERS <= set(texts())


@pytest.mark.parametrize("page", PAGES)
def test_every_variable_leads_to_a_setting(page: str) -> None:
    for plugin in PLUGINS:
        prefix = plugin.upper().replace("-", "_") + "_"
        named = set(re.findall(rf"\b{prefix}([A-Z_]+)", PAGES[page])) - {"LOGLEVEL", MISSPELT}
        assert {name.lower() for name in named} <= properties(plugin).keys()


def test_every_line_of_the_log_is_one() -> None:
    """Each part of it, between the names and numbers, is in the code."""
    code = "\n".join(texts())
    page = PAGES["docs/troubleshooting.md"]
    cells = re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE)
    lines = {line for cell in cells for line in re.findall(r"`([^`]*)`", cell)} - TEXTS_OF_OTHERS
    assert len(lines) > 40
    missing = [
        line for line in lines if any(part.strip(" .") not in code for part in line.split("…"))
    ]
    assert missing == []


def texts() -> Iterator[str]:
    """The texts in the code of both packages, without the marks of code in them."""
    for plugin in PLUGINS:
        for path in (ROOT / plugin).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value.replace("`", "")
