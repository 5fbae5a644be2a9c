"""What is printed for a DBA names all that is read, quoted, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle import session
from tap_oracle_txlog.oracle.grants import VIEWS, grants
from tap_oracle_txlog.oracle.settings import OracleSettings


def printed(*, with_watermark: bool = False, **config: Any) -> list[str]:  # noqa: ANN401 - any setting
    settings = OracleSettings.unchecked({"user": "spc_read", "dsn": "db/X", **config})
    return list(grants(settings, with_watermark=with_watermark))


def test_each_view_that_is_asked_is_granted_and_no_other() -> None:
    texts = [statement.text for _, statement in session.OPEN_TRANSACTIONS]
    texts += [session.APPLY_LAG.text, session.APPLIED.text]
    asked = set(re.findall(r"\bG?V\$\w+|\bDBA_\w+", "\n".join(texts)))
    granted = {view.replace("V_$", "V$") for view, _ in VIEWS}
    assert asked - {"V$TRANSACTION"} == granted, "V$ is what remains where GV$ is refused"
    lines = printed(with_watermark=True)
    assert len(lines) == 2 + len(VIEWS)
    assert lines[2].startswith('GRANT SELECT ON "SYS"."GV_$TRANSACTION" TO "SPC_READ";')


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        ({}, ['ON "SPC"."TXLOG_EVENTS" TO "SPC_READ"']),
        ({"table": '"my s".ev', "user": '"Read er"'}, ['ON "my s"."EV" TO "Read er"']),
        ({"table": "own"}, []),
        ({"user": "[app]"}, ['ON "SPC"."TXLOG_EVENTS" TO "APP"']),
        ({"user": "etl[app]"}, ['ON "SPC"."TXLOG_EVENTS" TO "APP"']),
    ],
)
def test_names_are_those_of_the_dictionary_in_quotes(
    config: dict[str, Any], lines: list[str]
) -> None:
    login, *others = printed(**config)
    assert login.startswith("GRANT CREATE SESSION TO ")
    assert others == [f"GRANT SELECT {line};" for line in lines]


@pytest.mark.parametrize("user", [None, 'a";DROP', "a b"])
def test_a_user_that_is_none_is_a_setting_to_correct(user: str | None) -> None:
    with pytest.raises(ConfigurationError, match="user"):
        printed(user=user)
