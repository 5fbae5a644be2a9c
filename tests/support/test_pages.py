"""A page is read as people read it, and what it shows has to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.pages import Terminal, commands, unseen

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """
## One

```console
$ cat > file <<'END'
$ no command
END
$ cat file  # twice
first …

second
```

## Two

```bash
cat <<'END'
$ no command
END
exit 3
```

```text
third
```
"""


def test_what_is_typed_and_what_is_seen() -> None:
    cat, show, *others = commands(PAGE)
    assert (cat.typed, cat.seen) == ("cat > file <<'END'\n$ no command\nEND", [])
    assert (show.typed, show.seen) == ("cat file  # twice", ["first …", "second"])
    assert others == commands(PAGE, section="## Two")
    assert [other.typed for other in others] == ["cat <<'END'\n$ no command\nEND", "exit 3"]
    assert [other.seen for other in others] == [[], ["third"]]


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        (["took 1.5 s", "done: … rows"], []),
        (["done: … rows", "took 1.5 s"], ["took 1.5 s"]),
        (["took 1.5 min"], ["took 1.5 min"]),
    ],
)
def test_lines_come_in_order_with_other_digits(expected: list[str], missing: list[str]) -> None:
    assert unseen(expected, "begin\n12:30 took 23.75   s\ndone: read=7 rows\n") == missing


def test_a_terminal_keeps_what_was_set_and_gives_nothing_to_read(tmp_path: Path) -> None:
    with Terminal(tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        assert shell.run("export WHO=me  # a note") == (0, "\n")
        assert shell.run("sleep 600 &") == (0, "\n")
        assert shell.run('cat; echo "$WHO"; kill %1; false') == (1, "me\n\n")
