"""How the rows of a table are shared out, by a sample of its blocks."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from tools.oracle_stand_in.answers import Answer, bound_time
from tools.oracle_stand_in.columns import Column
from tools.oracle_stand_in.expressions import select_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.oracle_stand_in.answers import Query

BLOCK_ROWS: Final = 300


def shares(query: Query) -> Answer:
    """The least key of each share of a sample of blocks, always the same ones."""
    table = query.table()
    key = query.column(table, "key")
    order = table.order(key.name, key.name)
    after, until = (bound_time(query, key, part) for part in ("after", "until"))
    percent = query.parts["percent"]
    drawn, step = _blocks(float(percent or 100)), int(query.part("step"))
    found = [
        row
        for number, row in enumerate(table.scan(key.name, key.name, lambda _: True))
        if drawn(number // BLOCK_ROWS) and after <= order(row)[0] < until
    ][step - 1 :: step]
    columns, text = select_list(query.part("least").replace("min(x.k)", query.part("key")), table)
    bounds = _tiles(len(found), int(query.part("count")))
    rows = [(*text(found[first]), last - first) for first, last in bounds]
    return Answer((*columns, Column.of("ROWS NUMBER")), iter(rows))


def _blocks(percent: float) -> Callable[[int], bool]:
    chance = Random(7)
    drawn: list[bool] = []

    def is_drawn(block: int) -> bool:
        while len(drawn) <= block:
            drawn.append(chance.random() * 100 < percent)
        return drawn[block]

    return is_drawn


def _tiles(rows: int, count: int) -> Iterator[tuple[int, int]]:
    """As NTILE: the first ones have one row more where it does not come out even."""
    size, more = divmod(rows, count)
    first = 0
    for tile in range(min(count, rows)):
        last = first + size + (tile < more)
        yield first, last
        first = last
