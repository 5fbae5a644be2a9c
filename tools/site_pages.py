"""What the site has beside docs/: the README files and their like, as pages of their own.

Used by mkdocs as a hook (see mkdocs.yml). The pages link to each other by their places in the
repository, as people read them there. Links to files that are no pages lose their address; those to
files that do not exist keep it, and the build fails. So it does if a page loads anything from
elsewhere.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
BESIDE: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "tap-oracle-txlog/README.md": "tap-oracle-txlog.md",
    "tap-oracle-txlog/TYPES.md": "types.md",
    "target-nats-jetstream/README.md": "target-nats-jetstream.md",
}
"""Files of the repository, and what they are in the site."""

logger = logging.getLogger("mkdocs.hooks.site_pages")  # in strict mode, a warning fails

_LINK: Final = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_FOREIGN: Final = re.compile(
    r'<(?:link|script|img|iframe|source)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"'
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside docs/."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only mkdocs has it

    for path, page in BESIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to pages."""
    del config, files
    assert page.file.abs_src_path is not None  # each is a file
    return led(markdown, Path(page.file.abs_src_path).parent)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Say what is loaded from elsewhere."""
    del config
    for found in foreign(output):
        logger.warning("%s loads from elsewhere: %s", page.file.src_uri, found)
    return output


def foreign(html: str) -> list[str]:
    """What a browser that shows this page would load from elsewhere."""
    return _FOREIGN.findall(html)


def led(markdown: str, folder: Path) -> str:
    """The text of a file in ``folder`` with links as the site has them."""
    return _LINK.sub(lambda link: _led(link[1], link[2], link[3] or "", folder), markdown)


def _led(text: str, target: str, anchor: str, folder: Path) -> str:
    path = (folder / target).resolve()
    if path.parent == DOCS:
        return f"[{text}]({path.name}{anchor})"
    place = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
    if place in BESIDE:
        return f"[{text}]({BESIDE[place]}{anchor})"
    return text if path.exists() else f"[{text}]({target}{anchor})"
