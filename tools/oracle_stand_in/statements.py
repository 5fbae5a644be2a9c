"""The texts that the stand-in knows, and what answers each.

A text is matched as a whole, apart from white space and from letter case outside quotes; no SQL is
understood. Texts in which nothing varies are taken from the tap itself: golden files pin them, and
a copy would prove no more. Those that name tables and columns stand here as patterns: ``{name}``
is what varies (the very same where it comes again), ``[[...]]`` what may be missing. A text that
nothing answers is ORA-00900, and is kept in ``Instance.unmatched``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from tap_oracle_txlog.oracle import dictionary, session
from tap_oracle_txlog.oracle.identifiers import TableName
from tools.oracle_stand_in import about, answers, sharing
from tools.oracle_stand_in.answers import Answer, Query
from tools.oracle_stand_in.faults import OracleError
from tools.oracle_stand_in.messages import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.oracle_stand_in.instance import Instance
    from tools.oracle_stand_in.messages import Bind


class Known(NamedTuple):
    kind: str
    text: str
    handler: Callable[[Query], Answer | None]


class Plan(NamedTuple):
    """A matched text: its kind, its normalised form, and how to answer an execution."""

    kind: str
    sql: str
    handler: Callable[[Query], Answer | None]
    parts: Mapping[str, str | None]

    def answer(self, instance: Instance, binds: Sequence[Bind]) -> Answer | None:
        return self.handler(Query(instance, self.parts, tuple(binds)))


_ANY = TableName("OWNER", "NAME")
_WHOLE, _HOLDER, _START, _LOCAL_START = (each.text for _, each in session.OPEN_TRANSACTIONS)

KNOWN: Final = (
    Known("session", session.SESSION.text, about.begins),
    Known("introduction", session.introduction(_ANY).text, about.introduction),
    Known("clock", session.NOW.text, about.now),
    Known("open transactions", _WHOLE, about.transactions_of_all),
    Known("open transactions", _HOLDER, about.transactions_with_holder),
    Known("open transactions", _START, about.oldest_start),
    Known("open transactions", _LOCAL_START, about.oldest_local_start),
    Known("apply lag", session.APPLY_LAG.text, about.apply_lag),
    Known("applied", session.APPLIED.text, about.applied),
    Known("columns", dictionary.table_columns(_ANY).text, about.columns),
    Known("json columns", dictionary.json_columns(_ANY).text, about.json_columns),
    Known("synonym", dictionary.synonym(_ANY).text, about.synonym),
    Known("keys", dictionary.table_keys(_ANY).text, about.keys),
    Known("indexes", dictionary.table_indexes(_ANY).text, about.indexes),
    Known("row count", dictionary.row_count(_ANY).text, about.row_count),
    Known("partitions", dictionary.partitions(_ANY, "KEY").text, about.partitions),
    Known("product", dictionary.PRODUCT.text, about.product),
    Known(
        "explain",
        f"EXPLAIN PLAN SET STATEMENT_ID = '{dictionary.PLAN_ID}' FOR {{statement}}",
        about.explain,
    ),
    Known("plan", dictionary.PLAN.text, about.plan),
    Known("tables", dictionary.readable_tables(None).text.replace("1000", "{limit}"), about.tables),
    Known(
        "late page",
        """SELECT * FROM (SELECT {items} FROM {table} t
        WHERE {key} >= {after} [[AND ({key} > {after} OR {id} > {after_id}) ]]
        [[AND {key} < {until} ]] [[AND {filter} ]] AND NOT {known}
        ORDER BY {key}, {order_id}) WHERE ROWNUM <= {limit}""",
        answers.late_page,
    ),
    Known(
        "page",
        """SELECT * FROM (SELECT {items} FROM {table} t
        WHERE {key} >= {after} [[AND ({key} > {after} OR {id} > {after_id}) ]]
        [[AND {key} < {until} ]] [[AND {filter} ]]
        ORDER BY {key}, {order_id}) WHERE ROWNUM <= {limit}""",
        answers.page,
    ),
    Known(
        "rows at",
        """SELECT * FROM (SELECT {items} FROM {table} t WHERE ({key}, {id}) IN ({places})
        ORDER BY {key}, {order_id}) WHERE ROWNUM <= {limit}""",
        answers.rows_at,
    ),
    Known(
        "digest",
        """SELECT COUNT(*), TO_CHAR(SUM(TO_NUMBER(SUBSTR(RAWTOHEX(STANDARD_HASH(
        {id_text} || '|' || {key_text}, 'MD5')), 18), 'XXXXXXXXXXXXXXX')))
        FROM {table} t WHERE {key} >= {after} AND {key} < {until}""",
        answers.digest,
    ),
    Known(
        "null key page",
        """SELECT * FROM (SELECT {items} FROM {table} t WHERE {key} IS NULL
        [[AND {id} > {after_id} ]] [[AND {filter} ]]
        ORDER BY {order_id}) WHERE ROWNUM <= {limit}""",
        answers.null_key_page,
    ),
    Known(
        "null key count",
        """SELECT COUNT(*) FROM {table} t WHERE {key} IS NULL [[AND {filter} ]]
        AND ROWNUM <= {limit}""",
        answers.null_key_count,
    ),
    Known(
        "early key count",
        "SELECT COUNT(*) FROM {table} t WHERE {key} < {first} AND ROWNUM <= {limit}",
        answers.early_key_count,
    ),
    Known(
        "shares",
        """SELECT {least}, COUNT(*) FROM (
        SELECT s.K, NTILE({count}) OVER (ORDER BY s.K) SHARE_NUMBER FROM (
        SELECT {key} K, ROWNUM R FROM {table} [[SAMPLE BLOCK ({percent}) ]] t
        WHERE {key} >= {after} AND {key} < {until}) s
        WHERE MOD(s.R, {step}) = 0) x GROUP BY x.SHARE_NUMBER ORDER BY x.SHARE_NUMBER""",
        sharing.shares,
    ),
    Known("newest key", "SELECT {newest} FROM {table} t", answers.newest_key),
    Known(
        "lateness",
        """SELECT COUNT(*), ROUND(MIN(x.DAYS) * 86400), ROUND(MAX(x.DAYS) * 86400) FROM (
        SELECT {end} - {begin} DAYS FROM {table} t WHERE {key} IS NOT NULL
        ORDER BY {key} DESC) x WHERE ROWNUM <= {limit}""",
        answers.lateness,
    ),
    # A liveness check, and what SQLAlchemy asks at the first connect of an engine.
    Known("one", "SELECT 1 FROM DUAL", answers.one),
    Known(
        "current schema",
        "select sys_context( 'userenv', 'current_schema' ) from dual",
        answers.current_schema,
    ),
    Known(
        "transaction id",
        "BEGIN :trans_id := DBMS_TRANSACTION.LOCAL_TRANSACTION_ID( TRUE ); END;",
        answers.no_transaction_id,
    ),
    Known("decimal", "SELECT 1.1 FROM DUAL", answers.decimal),
)


def find(sql: str, instance: Instance) -> Plan:
    """What answers ``sql``; ORA-00900 when nothing does."""
    text = normalised(sql)
    if (canned := instance.canned.get(text)) is not None:
        return Plan("canned", text, lambda _: Answer(canned.columns, iter(canned.rows)), {})
    if text in instance.changes:
        return Plan("change", text, lambda _: None, {})
    for known in KNOWN:
        if match := _pattern(known.text).fullmatch(text):
            return Plan(known.kind, text, known.handler, match.groupdict())
    instance.unmatched.append(text)
    raise OracleError(900, f"stand-in: {text}")


@cache
def _pattern(text: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def group(match: re.Match[str]) -> str:
        name = match[1]
        again = name in seen
        seen.add(name)
        beginning = "(?!not )" if name == "filter" else ""  # that is how known ids are left out
        return f"(?P={name})" if again else f"(?P<{name}>{beginning}.+?)"

    pattern = re.sub(r"\\{(\w+)\\}", group, re.escape(normalised(text)))
    return re.compile(pattern.replace(r"\[\[", "(?:").replace(r"\]\]\ ", ")?"))
