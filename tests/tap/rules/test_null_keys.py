"""Rows without a replication key are emitted once, and forgotten when they are gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tap_oracle_txlog.rules.id_ranges import IdRanges
from tap_oracle_txlog.rules.id_sets import IdSet
from tap_oracle_txlog.rules.null_keys import NullKeyScan
from tap_oracle_txlog.rules.position import PageDidNotAdvanceError
from tests.tap.rules.scans import a_scan, progress, rows, take


def test_rows_without_a_key_are_emitted_once_in_the_order_of_their_ids() -> None:
    scan = NullKeyScan(progress())
    assert scan.admit(rows((0, 3), (0, 8))) == [True, True]
    assert scan.after_id == 8
    scan.finish()
    following = NullKeyScan(scan.progress)
    assert following.after_id is None
    assert following.admit(rows((0, 3), (0, 5), (0, 8))) == [False, True, False]
    assert following.progress.null_ids.ids_text == "3,5,8"


def test_rows_that_have_got_a_key_or_are_gone_are_forgotten() -> None:
    scan = NullKeyScan(replace(progress(), null_ids=IdSet(IdRanges.decode("1-5"))))
    scan.admit(rows((0, 4)))
    scan.finish()
    assert scan.progress.null_ids.ids_text == "4"


def test_a_page_of_rows_without_key_must_move_forward_too() -> None:
    scan = NullKeyScan(progress())
    scan.admit(rows((0, 3)))
    with pytest.raises(PageDidNotAdvanceError):
        scan.admit(rows((0, 3)))


def test_a_pass_over_keys_leaves_the_ids_without_key_alone() -> None:
    before = replace(progress(), null_ids=IdSet(IdRanges.decode("1-5")))
    scan = a_scan(5, before)
    take(scan, rows((1, 7)))
    assert scan.progress.null_ids == before.null_ids
