"""One session: its calls, its cursors, and the answer to each call.

A query's rows are settled when it is executed (statement-level consistency) and handed out by
fetches. A query with a LOB column is only described; as on a server, its rows go out after the
client has defined as what it wants them.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from tools.oracle_stand_in import messages
from tools.oracle_stand_in.channel import Closed, Interrupted
from tools.oracle_stand_in.columns import BLOB, CLOB
from tools.oracle_stand_in.faults import OracleError
from tools.oracle_stand_in.instance import Call
from tools.oracle_stand_in.logon import OPEN_CURSORS, admit
from tools.oracle_stand_in.messages import Execute, end
from tools.oracle_stand_in.statements import find
from tools.oracle_stand_in.wire import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.oracle_stand_in.channel import Channel
    from tools.oracle_stand_in.columns import Column
    from tools.oracle_stand_in.database import Row
    from tools.oracle_stand_in.instance import Instance
    from tools.oracle_stand_in.messages import BindType
    from tools.oracle_stand_in.statements import Plan
    from tools.oracle_stand_in.wire import Reader

CLOSE_CURSORS, SESSION_TEXTS, CURRENT_SCHEMA = 105, 135, 152
TEXTS: Final = ("client_identifier", "module", "action", "", "", "client_info", "", "", "dbop")


@dataclass
class Cursor:
    """A parsed statement; ``rows`` are those of its last execution."""

    number: int
    plan: Plan
    names: list[str]
    kinds: tuple[BindType, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: Iterator[Row] = field(default_factory=lambda: iter(()))
    defines: tuple[int, ...] = ()
    sent: int = 0

    @property
    def needs_define(self) -> bool:
        return not self.defines and any(column.is_lob for column in self.columns)


class Session:
    def __init__(self, number: int, channel: Channel, instance: Instance) -> None:
        self._number = number
        self._channel = channel
        self._instance = instance
        self._cursors: dict[int, Cursor] = {}
        self._ids = count(1)
        self._uncommitted: list[Callable[[], None]] = []

    def run(self) -> None:
        """Serve the client to its end; what goes wrong here is kept for the test to see."""
        try:
            admit(self._channel, self._instance)
            while True:
                self._serve()
        except Closed:
            pass
        except Exception:  # noqa: BLE001 - a thread's error would be lost
            self._instance.trouble.append(traceback.format_exc())
        finally:
            self._channel.close()

    def _serve(self) -> None:
        try:
            self._channel.respond(self._answer(self._channel.request()))
        except Interrupted:
            self._channel.reset()
            message = "ORA-01013: user requested cancel of current operation"
            self._channel.respond(end(0, 0, 1013, message))

    def _answer(self, reader: Reader) -> bytes:
        function = self._function(reader)
        call = Call(self._number, messages.CALL_NAMES.get(function, str(function)))
        self._instance.calls.append(call)
        try:
            return self._called(function, reader, call)
        except OracleError as error:
            call.error = error.code
            return end(0, 0, error.code, str(error))

    def _function(self, reader: Reader) -> int:
        """The call's function, behind the piggybacks, which are told of but not answered."""
        kind, function, _ = reader.take(3)
        while kind == messages.PIGGYBACK:
            self._piggyback(function, reader)
            kind, function, _ = reader.take(3)
        if kind != messages.CALL:
            msg = f"a message of type {kind} instead of a call"
            raise ProtocolError(msg)
        return function

    def _piggyback(self, function: int, reader: Reader) -> None:
        if function == CLOSE_CURSORS:
            reader.skip("b")
            for _ in range(reader.ub()):
                self._cursors.pop(reader.ub(), None)
        elif function == CURRENT_SCHEMA:
            reader.skip("bl")
        elif function == SESSION_TEXTS:
            reader.skip("bbu")
            lengths = [(reader.u8(), reader.ub())[1] for _ in TEXTS]
            texts = {name: reader.lv() for name, size in zip(TEXTS, lengths, strict=True) if size}
            for name, value in texts.items():
                self._instance.session_texts[name] = (value or b"").decode()
        else:
            msg = f"piggyback {function}"
            raise ProtocolError(msg)

    def _called(self, function: int, reader: Reader, call: Call) -> bytes:
        if self._number <= self._instance.killed:
            raise OracleError(28, "your session has been killed")
        match function:
            case messages.EXECUTE:
                return self._execute(Execute.read(reader), reader, call)
            case messages.REEXECUTE | messages.REEXECUTE_AND_FETCH:
                cursor, wanted = self._cursors[reader.ub()], reader.ub()
                reader.skip("uu")
                fetch = function == messages.REEXECUTE_AND_FETCH
                return self._run(cursor, reader, call, wanted if fetch else 0)
            case messages.FETCH:
                cursor, wanted = self._cursors[reader.ub()], reader.ub()
                call.statement = cursor.plan.kind
                self._strike(call)
                return self._rows(cursor, wanted, call)
            case messages.PING | messages.COMMIT | messages.ROLLBACK | messages.LOGOFF:
                self._strike(call)
                self._end_transaction(function)
                return messages.STATUS
        self._instance.trouble.append(f"function {function}")
        raise OracleError(3115, f"stand-in: function {function}")

    def _execute(self, request: Execute, reader: Reader, call: Call) -> bytes:
        if not request.options & messages.OPTION_EXECUTE:
            return self._define(request, call)
        if request.sql is None:
            cursor = self._cursors[request.cursor]
        else:
            plan = find(request.sql, self._instance)
            cursor = Cursor(next(self._ids), plan, messages.bind_names(request.sql))
            self._cursors[cursor.number] = cursor
            if len(self._cursors) > OPEN_CURSORS:
                raise OracleError(1000, "maximum open cursors exceeded")
        cursor.kinds = request.binds or cursor.kinds
        wanted = request.rows if request.options & messages.OPTION_FETCH else 0
        return self._run(cursor, reader, call, wanted, describe=request.sql is not None)

    def _define(self, request: Execute, call: Call) -> bytes:
        cursor = self._cursors[request.cursor]
        call.name, call.statement, call.defines = "define", cursor.plan.kind, request.defines
        if {CLOB, BLOB} & set(request.defines):
            raise OracleError(22275, "stand-in: LOB locators cost a round trip for each value")
        cursor.defines = request.defines
        return end(cursor.number, 0)

    def _run(
        self, cursor: Cursor, reader: Reader, call: Call, wanted: int, *, describe: bool = False
    ) -> bytes:
        rows = messages.read_rows(reader, cursor.kinds, cursor.names)
        change = self._instance.changes.get(cursor.plan.sql)
        if len(rows) > 1 and change is None:
            msg = "an array of binds for what changes nothing"
            raise ProtocolError(msg)
        binds = rows[0]
        call.statement, call.sql, call.binds = cursor.plan.kind, cursor.plan.sql, binds
        self._strike(call)
        if change is not None:
            self._uncommitted += [partial(change, row) for row in rows]
            return end(cursor.number, len(rows))
        with self._instance.database.lock:
            answer = cursor.plan.answer(self._instance, binds)
        if answer is None:
            return end(0, 0)
        cursor.columns, cursor.rows, cursor.sent = answer.columns, answer.rows, 0
        head = messages.describe(answer.columns) if describe else b""
        if cursor.needs_define or not wanted:
            return head + end(cursor.number, 0)
        return head + self._rows(cursor, wanted, call)

    def _end_transaction(self, function: int) -> None:
        """COMMIT lets the changes happen that came before it, and ROLLBACK forgets them."""
        if function == messages.PING:
            return
        changes, self._uncommitted = self._uncommitted, []
        if function == messages.COMMIT:
            with self._instance.database.lock:
                for change in changes:
                    change()

    def _rows(self, cursor: Cursor, wanted: int, call: Call) -> bytes:
        rows = list(map(self._encoder(cursor.columns), islice(cursor.rows, wanted)))
        self._channel.live_through(messages.ROW_HEADER, rows)
        call.rows = len(rows)
        cursor.sent += len(rows)
        error = (messages.NO_DATA_FOUND, "ORA-01403: no data found") if len(rows) < wanted else ()
        return messages.ROW_HEADER + b"".join(rows) + end(cursor.number, cursor.sent, *error)

    def _encoder(self, columns: tuple[Column, ...]) -> Callable[[Row], bytes]:
        """The function from a row to its bytes, which may remember those that it has made."""
        encoders = [column.encoder() for column in columns]

        def encode(row: Row) -> bytes:
            values = zip(encoders, row, strict=True)
            return messages.ROW + b"".join([image(value) for image, value in values])

        if not self._instance.keeps_images:
            return encode
        return self._instance.images.setdefault(columns, cache(encode))

    def _strike(self, call: Call) -> None:
        self._instance.faults.strike(call.name, self._channel, call.statement)
