"""The site of the docs, as a browser shows it; its pictures are in ``.screenshots``."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

import pytest
from typing_extensions import override

from tests.support.browser import CHROMIUM, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[2]
MKDOCS = ROOT / ".venv-docs/bin/mkdocs"
SCREENSHOTS = ROOT / ".screenshots"
LINKS = "[...document.links].map(link => link.href)"
NAMES = "[...document.querySelectorAll('[id]')].map(element => element.id)"


class Quiet(SimpleHTTPRequestHandler):
    @override
    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The site as ``make docs`` builds it."""
    folder = tmp_path / "site"
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [str(MKDOCS), "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    return folder


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address under which a folder is served."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(autouse=True)
def needed() -> None:
    """What a machine may not have; ``make test`` installs no browser."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    assert MKDOCS.exists(), "make .venv-docs/ready"


def test_every_page_can_be_read_in_a_browser_and_every_link_leads_somewhere(
    site: Path, tmp_path: Path
) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    names, wanted = dict[str, set[str]](), set[str]()
    with served(site) as address, Browser(tmp_path / "profile") as browser:
        waiting = [f"{address}index.html"]
        while waiting:
            page = waiting.pop()
            browser.open(page)
            browser.screenshot(SCREENSHOTS / f"{Path(page).stem}.png")
            names[page] = set(browser.evaluate(NAMES))
            links = {link for link in browser.evaluate(LINKS) if link.startswith(address)}
            wanted |= links
            found = {urldefrag(link).url for link in links} - names.keys() - {*waiting}
            waiting += (link for link in found if link.endswith(".html"))
    assert browser.errors == []
    assert broken(wanted, names, site, address) == []
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")} - {"404.html"}
    assert {page.removeprefix(address) for page in names} == pages, "each page has a link to it"


def test_what_is_wrong_with_a_page_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        "<a href='none.html'></a><a href='#none'></a><a id='here' href='#here'></a>"
        "<img src='none.png'><script>console.error('told'); throw Error('thrown')</script>"
    )
    with served(tmp_path) as address, Browser(tmp_path / "profile") as browser:
        browser.open(address)
        names = {f"{address}index.html": set(browser.evaluate(NAMES))}
        links = broken(set(browser.evaluate(LINKS)), names, tmp_path, address)
    assert links == [f"{address}#none", f"{address}none.html"]
    said = " ".join(browser.errors)
    assert all(part in said for part in ("told", "Uncaught", f"404 {address}none.png"))


def broken(wanted: set[str], names: dict[str, set[str]], site: Path, address: str) -> list[str]:
    """The links to what there is not: a page or a file, or a place in a page."""
    found = []
    for link in sorted(wanted):
        page, place = urldefrag(link)
        path = site / (page.removeprefix(address) or "index.html")
        page = page if page != address else f"{address}index.html"
        if not path.is_file() or (place and place not in names.get(page, set())):
            found.append(link)
    return found
