"""How many rows to ask for: fewer after a page that was too much, more after good ones. Pure."""

from __future__ import annotations

from typing import Final

#: A page that was too much becomes smaller by this factor: what does not come in time because the
#: table is read and sorted for it does not come sooner for half of it.
SMALLER: Final = 10
#: So many pages in a row may be too much. Each of them can have cost a whole `call_timeout`.
TRIES: Final = 4
#: After so many good pages it doubles: what was too much may have been so by chance.
GOOD: Final = 8


class PageLimit:
    """The size of the next page, at most that of the settings."""

    def __init__(self, most: int) -> None:
        self.rows = most
        self._most = most
        self._good = 0
        self._failed = 0

    def good(self) -> None:
        """A page has come."""
        self._failed = 0
        self._good += 1
        if self._good >= GOOD:
            self._good = 0
            self.rows = min(self.rows * 2, self._most)

    def shrink(self, asked: int) -> bool:
        """A page of ``asked`` rows was too much. Whether a smaller one is worth a try."""
        self._good = 0
        self._failed += 1
        if asked <= 1 or self._failed >= TRIES:
            return False
        self.rows = max(asked // SMALLER, 1)
        return True
