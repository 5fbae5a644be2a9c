"""One comparison: takes the messages of an input as a run does, and publishes none of them.

The source is read first, as the input comes, and then the stream: so what the pipeline has stored
by then is there. Why no writer at work makes a finding that is none, ``scope`` says.
"""

from __future__ import annotations

import json
import math
from contextlib import ExitStack, closing
from itertools import compress, count
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import click

from target_nats_jetstream.delivery import unfinished
from target_nats_jetstream.diagnosis import document
from target_nats_jetstream.errors import ConfigurationError, DataError
from target_nats_jetstream.identity import masked
from target_nats_jetstream.shown import printable
from target_nats_jetstream.verify import reading
from target_nats_jetstream.verify.comparison import Kind, compare
from target_nats_jetstream.verify.digest_report import DigestOutcome
from target_nats_jetstream.verify.digests import Bucket, Digests, digest_in
from target_nats_jetstream.verify.entries import Copy, Row, copy_of, row_of
from target_nats_jetstream.verify.named_file import NamedFile
from target_nats_jetstream.verify.picture import page
from target_nats_jetstream.verify.repair import send
from target_nats_jetstream.verify.report import Outcome, listed
from target_nats_jetstream.verify.scope import Scope
from target_nats_jetstream.verify.shelves import SHELVES, Shelves
from target_nats_jetstream.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from target_nats_jetstream.destination import Destination
    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.limits import Reason
    from target_nats_jetstream.settings import AllSettings
    from target_nats_jetstream.stop import Stop
    from target_nats_jetstream.verify.comparison import Found
    from target_nats_jetstream.verify.report import Repair

NAME = "verify"


class Asked(NamedTuple):
    """What is asked for beside ``--verify``.

    Args:
        payload: Whether payloads are compared as well.
        repair: Whether to send what the stream lacks.
        list_file: Where each difference is written to, as a line of JSON.
        html_file: Where the buckets are drawn.
    """

    payload: bool = False
    repair: bool = False
    as_json: bool = False
    list_file: Path | None = None
    html_file: Path | None = None


class Verification:
    """Compares an input with the stream.

    Args:
        settings: All of them.
        asked: What is asked for.
        stop: What it waits by.
        replication_keys: By Singer stream, filled in as SCHEMAs come.
    """

    def __init__(
        self,
        settings: AllSettings,
        asked: Asked,
        stop: Stop,
        replication_keys: Mapping[str, str | None],
    ) -> None:
        self._settings = settings
        self._asked = asked
        self._stop = stop
        self._replication_keys = replication_keys
        self._rows, self._copies = Shelves(Row), Shelves(Copy)
        self._digests = Digests()
        self._files = ExitStack()
        self._numbers = count()
        self._later = self._invalid = 0
        self._lacking: list[Row] = []
        self._newest_state: Mapping[str, object] | None = None
        self.exit_code = 0

    def start(self) -> None:
        """See what the stream has and how far the pipeline is, before the source is read.

        Raises:
            ConfigurationError: A file cannot be written, there is no such stream, or a replay is
                set: what it sends is no part of the comparison.
            TargetError: NATS or the ledger cannot be reached or refuses.
        """
        if self._settings.target.replay is not None:
            reason = "--verify compares the regular job with its stream, but `replay` is set"
            raise ConfigurationError(reason, "Run it without `replay`", setting="replay")
        self._list = self._opened("--list", self._asked.list_file)
        self._html = self._opened("--html", self._asked.html_file)
        info = reading.stream_info(self._settings.nats)
        ends, end = reading.completeness(self._settings.ledger)
        self._scope = Scope(info.last_seq, info.max_msgs_per_subject >= 0, ends, end)

    def take(self, messages: Sequence[Message]) -> None:
        """Take the rows that are compared, or digests of them."""
        rows = []
        for message in messages:
            if (digest := digest_in(message)) is not None:
                self._digests.add(digest)
            else:
                rows.append(self._row(message))
        compared = list(filter(self._scope.has_row, rows))
        self._later += len(rows) - len(compared)
        self._rows.put(compared)

    def _row(self, message: Message) -> Row:
        key, asked = self._replication_keys.get(message.stream), self._asked
        number = next(self._numbers)
        return row_of(message, number, key, payload=asked.payload, keep=asked.repair)

    def dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        """Count a record that cannot be published."""
        del message, reason, detail
        self._invalid += 1

    def after_ack(self, act: Callable[[], None]) -> None:
        """Remove a BATCH file: nothing of it is needed any more."""
        act()

    def note(self, state: Mapping[str, object]) -> None:
        """Remember whether the tap has read to its end."""
        self._newest_state = state

    def idle(self) -> float:
        """Nothing is due."""
        return math.inf

    def finish(self, messages: int) -> None:
        """Read the stream, compare, print.

        Raises:
            DataError: The tap did not come to its end, so nothing can be said.
            TargetError: NATS failed, or a file cannot be written.
        """
        if why := unfinished(messages, self._newest_state):
            raise DataError(why, "See the tap's error and run it again; nothing was compared")
        if self._digests:
            self._check_digests()
        self._streams = set(map(masked, self._replication_keys))
        self._scope.reached = reading.complete_times(self._newest_state or {})
        reading.read_messages(
            self._settings.nats, self._begin, self._take_stored, payloads=self._asked.payload
        )
        self._print(self._outcome_of_digests() if self._digests else self._outcome())

    def _check_digests(self) -> None:
        """See that nothing is asked for that needs rows.

        Raises:
            ConfigurationError: It is.
            DataError: There are rows, too.
        """
        if next(self._numbers):
            reason = "the input has rows and digests"
            raise DataError(reason, "Compare the one or the other")
        asked = self._asked
        for option in compress(
            ("--payload", "--repair", "--list"), (asked.payload, asked.repair, asked.list_file)
        ):
            reason = f"{option} needs rows, and the input has digests of them"
            raise ConfigurationError(reason, "Run the tap without --digest")

    def _begin(self, info: StreamInfo) -> None:
        self._scope.is_trimmed = info.is_trimmed

    def _take_stored(self, chunk: Sequence[Stored]) -> None:
        self._stop.check()
        if self._digests:
            self._digests.count(chunk, self._scope)
            return
        copies = (copy_of(stored, self._streams) for stored in chunk)
        self._copies.put(one for one in copies if one and self._scope.has_copy(one))

    def _outcome_of_digests(self) -> DigestOutcome:
        compared, left_out = list[Bucket](), list[Bucket]()
        for bucket in self._digests.buckets():
            is_compared = self._digests.is_compared(bucket, self._scope)
            (compared if is_compared else left_out).append(bucket)
        return DigestOutcome(compared, left_out)

    def _outcome(self) -> Outcome:
        tally = self._tallied()
        repaired = self._repair() if self._asked.repair else None
        ends = {stream: self._scope.end_of(masked(stream)) for stream in self._replication_keys}
        known = {stream: end for stream, end in ends.items() if end is not None}
        return Outcome(tally, known, self._later, self._invalid, repaired)

    def _tallied(self) -> Tally:
        """All that was found, added up; the list is written."""
        tally = Tally()
        for found in self._all_found():
            tally.add(found)
            if self._list and found.kind is not Kind.EQUAL:
                self._list.write(f"{json.dumps(listed(found))}\n")
        if self._list:
            self._list.write("", is_last=True)
        return tally

    def _all_found(self) -> Iterator[Found]:
        for number in range(SHELVES):
            self._stop.check()
            compared = compare(self._rows.take(number), self._copies.take(number))
            for found in self._scope.judged(compared):
                if self._asked.repair and found.kind is Kind.MISSING and found.row:
                    self._lacking.append(found.row)
                yield found

    def _repair(self) -> Repair:
        rows = sorted(self._lacking, key=attrgetter("number"))
        return send(
            self._settings.nats,
            [row.message for row in rows if row.message],
            self._settings.ledger.program_name,
            wait=self._stop.wait_until,
            wake=self._stop.wake,
        )

    def _print(self, outcome: Outcome | DigestOutcome) -> None:
        self.exit_code = 0 if outcome.is_equal else DataError.exit_code
        if self._html:
            self._html.write(page(outcome.summary, outcome.lines, outcome.bars), is_last=True)
        if not self._asked.as_json:
            click.echo("\n".join(map(printable, (*outcome.lines, outcome.summary))))
            return
        self._print_json(summary=outcome.summary, result=outcome.result)

    def _print_json(
        self, *, summary: str = "", result: object = None, error: str | None = None
    ) -> None:
        shown = document(
            NAME, exit_code=self.exit_code, summary=summary, result=result, error=error
        )
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))

    def stop_by_signal(self, signum: int, seconds: float) -> None:
        """Nothing is to be saved."""

    def fail(self, error: TargetError) -> None:
        """Say it to programs, too."""
        self.exit_code = error.exit_code
        if self._asked.as_json:
            self._print_json(error=str(error))

    def close(self) -> None:
        """Close all files and remove the temporary ones; idempotent."""
        self._rows.close()
        self._copies.close()
        self._files.close()

    def _opened(self, option: str, path: Path | None) -> NamedFile | None:
        """The file that an option names; None where there is none."""
        if path is None:
            return None
        return self._files.enter_context(closing(NamedFile(option, path)))


if TYPE_CHECKING:
    _: type[Destination] = Verification
