"""Which file a manifest may name: one below the root, whatever the text is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_nats_jetstream.batch_root import DEFAULT_ROOT, BatchRoot, name_below, unusable
from target_nats_jetstream.errors import ConfigurationError, DataError
from target_nats_jetstream.shown import SHOWN_CHARACTERS, shown

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "/spool/txlog"
PIECES = st.sampled_from(
    ["..", ".", "", "a", "b.jsonl", "spool", "txlog", "%2e%2e", "a b", "::", "\0", "\n", "\ud800"]
)
HEADS = st.sampled_from(
    ["", "/", "file://", "file:///", "local://", "http://", "s3://", "zip://x::file:///", "data:"]
)


@pytest.mark.parametrize(
    ("root", "url", "name"),
    [
        (ROOT, "file:///spool/txlog/1.jsonl", "1.jsonl"),
        (f"{ROOT}/", "/spool/txlog/1.jsonl", "1.jsonl"),
        (f"file://{ROOT}", "local:///spool/txlog/day/1.jsonl", "day/1.jsonl"),
        (ROOT, "file:///mnt/of/the/tap/1.jsonl", "1.jsonl"),
        (ROOT, "file:///spool/txlog2/1.jsonl", "1.jsonl"),
        ("/", "file:///1.jsonl", "1.jsonl"),
        ("s3://bucket/x", "s3://bucket/x/a/1.jsonl", "a/1.jsonl"),
        ("s3://bucket/x", "S3://other/1.jsonl", "1.jsonl"),
    ],
)
def test_a_file_below_the_root_keeps_its_path_and_another_one_its_name(
    root: str, url: str, name: str
) -> None:
    assert name_below(root, url) == name


@pytest.mark.parametrize(
    ("root", "url"),
    [
        (ROOT, "file:///spool/txlog/../1.jsonl"),
        (ROOT, "file:///elsewhere/../spool/txlog/1.jsonl"),
        (ROOT, "file:///spool/txlog/./1.jsonl"),
        (ROOT, "file:///spool/txlog//etc/passwd"),
        (ROOT, "file:///spool/txlog/"),
        (ROOT, "file:///spool/.."),
        (ROOT, ""),
        (ROOT, "http://169.254.169.254/latest/meta-data"),
        (ROOT, "zip://1.jsonl::file:///spool/txlog/1.zip"),
        (ROOT, "simplecache::file:///spool/txlog/1.jsonl"),
        ("s3://bucket/x", "file:///x/1.jsonl"),
        ("s3://bucket/x", "gs://bucket/x/1.jsonl"),
        ("s3://bucket/x", "s3://bucket/x/http://evil/1.jsonl"),
    ],
)
def test_no_other_storage_and_no_way_out(root: str, url: str) -> None:
    assert name_below(root, url) is None


@given(HEADS, st.lists(PIECES, max_size=6), st.sampled_from([ROOT, "/", "s3://bucket/x"]))
def test_a_name_never_leaves_the_root(head: str, pieces: list[str], root: str) -> None:
    name = name_below(root, head + "/".join(pieces))
    assert name is None or os.path.normpath(f"{ROOT}/{name}") == f"{ROOT}/{name}"
    assert name is None or not name.startswith("/")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "1.jsonl").touch()
    (tmp_path / "root" / "sub" / "2.jsonl").touch()
    (tmp_path / "private.json").touch()
    return tmp_path / "root"


def refused(root: Path, url: str, because: str = "is not a file below") -> str:
    with pytest.raises(DataError, match=because) as caught:
        BatchRoot(root.as_uri()).find(url)
    return str(caught.value)


def test_files_are_found_by_path_and_by_url(root: Path) -> None:
    found = BatchRoot(str(root))
    assert found.find((root / "1.jsonl").as_uri()) == root / "1.jsonl"
    assert found.find(str(root / "sub" / "2.jsonl")) == root / "sub" / "2.jsonl"
    assert found.find("file:///of/the/tap/1.jsonl") == root / "1.jsonl"


@pytest.mark.parametrize("name", ["missing.jsonl", "sub", "a" * 5000, "\ud800.jsonl"])
def test_what_is_no_file_is_refused(root: Path, name: str) -> None:
    said = refused(root, f"{root.as_uri()}/{name}", "is not a file below|does not lie below")
    assert ("whether the file still exists" in said) == name.isprintable()


@pytest.mark.parametrize(
    ("error", "told", "remedy"),
    [
        (ImportError("Install s3fs to access S3"), "Install s3fs to access S3", "Install the"),
        (ValueError("no key SECRET"), "ValueError", "Check `batch_config.storage`"),
    ],
)
def test_of_a_storage_that_cannot_be_opened_no_text_is_told_that_may_hold_a_setting(
    error: Exception, told: str, remedy: str
) -> None:
    said = str(unusable("s3://u:SECRET@bucket/1", error))
    assert f"cannot open s3://bucket/1: {told}. {remedy}" in said
    assert "SECRET" not in said


def test_links_are_followed_within_the_root_only(root: Path) -> None:
    (root / "out.jsonl").symlink_to(root.parent / "private.json")
    (root / "away").symlink_to(root.parent)
    (root / "loop").symlink_to(root / "loop")
    (root / "in.jsonl").symlink_to(root / "1.jsonl")
    for name in ("out.jsonl", "away/private.json", "loop"):
        refused(root, f"{root.as_uri()}/{name}")
    found = BatchRoot(str(root)).find(f"{root.as_uri()}/in.jsonl")
    assert found == root / "1.jsonl", "and not the link: it is what is read that is removed"


def test_a_root_that_is_a_link_itself_is_that_folder(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert BatchRoot(str(link)).find(f"file://{link}/1.jsonl") == root / "1.jsonl"


@pytest.mark.parametrize("name", ["pipe", "device"])
def test_what_has_no_end_is_no_file(root: Path, name: str) -> None:
    os.mkfifo(root / "pipe")
    (root / "device").symlink_to("/dev/zero")
    refused(root, f"{root.as_uri()}/{name}")
    with pytest.raises(DataError):
        BatchRoot("/dev").find("file:///dev/zero")


def test_without_a_setting_it_is_the_folder_of_the_taps_default(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    (root / DEFAULT_ROOT).mkdir()
    (root / DEFAULT_ROOT / "3.jsonl").touch()
    for config in (None, {}, {"storage": None}, {"encoding": {"format": "jsonl"}}):
        found = BatchRoot.of(config).find(f"file://{root}/{DEFAULT_ROOT}/3.jsonl")
        assert found == root / DEFAULT_ROOT / "3.jsonl"


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ({"root": "x\0"}, "`batch_config.storage.root` has a NUL in it"),
        ({"root": "memory://x", "params": 5}, "`batch_config.storage.params` is not an object"),
        ({"root": "memory://x", "params": ["a"]}, "`batch_config.storage.params` is not an object"),
    ],
)
def test_a_storage_that_cannot_be_is_a_setting_to_correct(
    storage: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        BatchRoot.of({"storage": storage}).find("memory://x/1.jsonl")


def test_a_root_elsewhere_is_that_of_the_settings() -> None:
    other = BatchRoot.of({"storage": {"root": "memory://spool/x"}})
    assert str(other.find("memory://spool/x/a/1.jsonl")) == "memory://spool/x/a/1.jsonl"
    assert str(other.find("memory://mnt/1.jsonl")) == "memory://spool/x/1.jsonl"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://u:p?w@host/x", "s3://"),
        ("https://host/x?mail=a@b&sig=s", "https://"),
        ("s3://u:p@host/x?sig=s", "s3://host/x"),
        ("ftp://u:pa\nss@h", "ftp://h"),
        ("ftp://u:p@x\n@h/\n", "ftp://h/?"),
        ("zip://x::ftp://u:p@h/x", "zip://h/x"),
        ("a?b=s3://u:p@h", "a"),
        ("https://host/x", "https://host/x"),
    ],
)
def test_a_url_is_shown_without_its_login_whatever_is_in_it(url: str, said: str) -> None:
    assert shown(url) == said


@given(st.text(), st.text())
@example("?", "")
@example("\n", "@")
def test_neither_a_password_nor_a_query_is_shown_whatever_is_around_it(
    before: str, behind: str
) -> None:
    secret = f"{before}SECRET{behind}"
    assert "SECRET" not in shown(f"s3://u:{secret}@host/x?sig=1")
    assert "SECRET" not in shown(f"s3://u:p@host/x?sig={secret}")


def test_an_error_shows_no_password_no_signature_and_no_more_than_a_line(root: Path) -> None:
    url = "https://user:SECRET@host/x?signature=SECRET"
    assert shown(url) == "https://host/x"
    said = refused(root, f"{url}\n\x1b[31m", "does not lie below")
    assert "SECRET" not in said
    assert re.fullmatch(r"[ -~]+", said)
    assert len(shown("x" * 10_000_000)) == SHOWN_CHARACTERS
