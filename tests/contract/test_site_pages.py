"""Links lead to pages of the site, and what is loaded from elsewhere is found."""

from __future__ import annotations

import pytest

from tools.site_pages import BESIDE, DOCS, ROOT, foreign, led


@pytest.mark.parametrize(
    ("folder", "link", "led_to"),
    [
        ("", "[a](docs/late-commits.md#backfill)", "[a](late-commits.md#backfill)"),
        ("", "![a](docs/simulation.svg)", "![a](simulation.svg)"),
        ("docs", "[a `b`](../tap-oracle-txlog/TYPES.md)", "[a `b`](types.md)"),
        ("docs", "[a](../README.md#x) [b](oracle.md)", "[a](index.md#x) [b](oracle.md)"),
        ("tap-oracle-txlog", "[a](TYPES.md)", "[a](types.md)"),
        ("", "[the licence](LICENSE), [yml](meltano.yml)", "the licence, yml"),
        ("docs", "[a](none.md), [b](../none.md)", "[a](none.md), [b](../none.md)"),
        (
            "docs",
            "[a](#x) [b](https://docs.nats.io/x.md)",
            "[a](#x) [b](https://docs.nats.io/x.md)",
        ),
    ],
)
def test_a_link_is_led_as_the_site_has_it(folder: str, link: str, led_to: str) -> None:
    assert led(link, ROOT / folder) == led_to


def test_every_file_beside_docs_is_there_and_has_a_name_of_its_own() -> None:
    assert all((ROOT / path).exists() for path in BESIDE)
    names = [*BESIDE.values(), *(path.name for path in DOCS.glob("*.md"))]
    assert len({*names}) == len(names)


def test_a_script_from_elsewhere_is_found() -> None:
    own = '<script src="assets/a.js"></script><a href="https://docs.nats.io">x</a><img src="a.png">'
    script, font = '<script async src="//cdn/x.js"', '<link href="https://fonts/css" rel="y"'
    assert foreign(own) == []
    assert foreign(f"{own}{script}></script>{font}>") == [script, '<link href="https://fonts/css"']
