"""A database to put tables into: the stand-in, or a real Oracle where one is at hand.

``ORACLE_TEST_DSN=localhost:1521/FREEPDB1 pytest -m oracle`` is for that of ``compose.yaml``. Of any
other, ORACLE_TEST_OWNER and ORACLE_TEST_READER are the logins (``user/password``) of one who may
create tables and of one with the rights that the tap wants. The tables are dropped in the end.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import oracledb

from tap_oracle_txlog.oracle.statements import NANOSECONDS, SECONDS
from tools.oracle_stand_in.columns import Column
from tools.oracle_stand_in.database import Row, Table, stored

if TYPE_CHECKING:
    from tools.oracle_stand_in.database import Database
    from tools.oracle_stand_in.server import StandIn

EVENTS: Final = (
    "ID NUMBER(19) NOT NULL",
    "CASE_ID VARCHAR2(64)",
    "EVENT_TYPE VARCHAR2(64)",
    "EVENT_DATA CLOB",
    "EVENT_TIMESTAMP TIMESTAMP(6)",
    "CREATED_AT TIMESTAMP(6)",
)


class Transaction(Protocol):
    """Rows that nobody sees before ``commit``."""

    def insert(self, table: str, *rows: Row) -> None: ...
    def commit(self) -> None: ...


class Served(Protocol):
    """``create`` gives the name of a new table with these columns, as in CREATE TABLE."""

    login: dict[str, Any]

    def create(self, *columns: str) -> str: ...

    def begin(self) -> Transaction: ...


class StandInDatabase:
    """The stand-in as such a database."""

    def __init__(self, stand_in: StandIn) -> None:
        self.login = stand_in.login
        self._database = stand_in.database

    def create(self, *columns: str) -> str:
        name = f"APP.T{len(self._database.tables)}"
        self._database.create(Table(name, columns))
        return name

    def begin(self) -> Transaction:
        return StandInTransaction(self._database)


class StandInTransaction:
    def __init__(self, database: Database) -> None:
        self._tables = database.tables
        self._transaction = database.begin()

    def insert(self, table: str, *rows: Row) -> None:
        self._transaction.insert(self._tables[table], *rows)

    def commit(self) -> None:
        self._transaction.commit()


ZONED: Final = f"{NANOSECONDS}TZH:TZM"
PLACES: Final = {
    "DATE": f"TO_DATE(SUBSTR({{}}, 1, 19), '{SECONDS}')",
    "TIMESTAMP": f"TO_TIMESTAMP({{}}, '{NANOSECONDS}')",
    "TIMESTAMP WITH TIME ZONE": f"TO_TIMESTAMP_TZ({{}}, '{ZONED}')",
    "TIMESTAMP WITH LOCAL TIME ZONE": f"FROM_TZ(TO_TIMESTAMP({{}}, '{NANOSECONDS}'), '+00:00')",
    "INTERVAL DAY TO SECOND": "TO_DSINTERVAL({})",
    "INTERVAL YEAR TO MONTH": "TO_YMINTERVAL({})",
    "JSON": "JSON({})",
    "XMLTYPE": "XMLTYPE({})",
}
"""How a bound value becomes one of the column's type, where the driver would lose something."""

BOUND_AS: Final = {
    "BINARY_FLOAT": oracledb.DB_TYPE_BINARY_FLOAT,
    "BINARY_DOUBLE": oracledb.DB_TYPE_BINARY_DOUBLE,
    "NCHAR": oracledb.DB_TYPE_NCHAR,
    "NVARCHAR2": oracledb.DB_TYPE_NVARCHAR,
    "CLOB": oracledb.DB_TYPE_CLOB,
    "NCLOB": oracledb.DB_TYPE_NCLOB,
    "BLOB": oracledb.DB_TYPE_BLOB,
}


class RealOracle:
    """A real database; leaving the block rolls back and drops what was made in it."""

    def __init__(self) -> None:
        self._owner = _login("ORACLE_TEST_OWNER", "spc/spc")
        self.login = _login("ORACLE_TEST_READER", "spc_read/spc_read")
        self._columns: dict[str, list[Column]] = {}
        self._left = ExitStack()

    def __enter__(self) -> Self:
        self._connection = self._left.enter_context(oracledb.connect(**self._owner))
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    def create(self, *columns: str) -> str:
        table = f"{self._owner['user']}.TXLOG_TEST_{secrets.token_hex(6)}".upper()
        declared = (f'"{name}" {rest}' for name, rest in (each.split(" ", 1) for each in columns))
        with self._connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {table} ({', '.join(declared)})")
            self._left.callback(self._drop, table)
            cursor.execute(f"GRANT SELECT ON {table} TO {self.login['user']}")
        self._columns[table] = [Column.of(each) for each in columns]
        return table

    def begin(self) -> Transaction:
        connection = self._left.enter_context(oracledb.connect(**self._owner))
        return RealTransaction(connection, self._columns)

    def _drop(self, table: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {table} PURGE")


class RealTransaction:
    def __init__(self, connection: oracledb.Connection, columns: dict[str, list[Column]]) -> None:
        self._connection = connection
        self._columns = columns

    def insert(self, table: str, *rows: Row) -> None:
        columns = self._columns[table]
        places = (PLACES.get(of.type, "{}").format(f":{at}") for at, of in enumerate(columns, 1))
        values = [[stored(*pair) for pair in zip(columns, row, strict=True)] for row in rows]
        with self._connection.cursor() as cursor:
            cursor.setinputsizes(*(BOUND_AS.get(of.type) for of in columns))
            cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(places)})", values)

    def commit(self) -> None:
        self._connection.commit()


def _login(variable: str, default: str) -> dict[str, Any]:
    user, _, password = os.environ.get(variable, default).partition("/")
    return {"dsn": os.environ["ORACLE_TEST_DSN"], "user": user, "password": password}
