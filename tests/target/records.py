"""Records and values as a tap can send them, for hypothesis."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

#: Numbers with a fraction or an exponent, as the reader makes them: their digits are as written.
DECIMALS = st.builds(
    lambda whole, fraction, exponent: Decimal(f"{whole}.{fraction}{exponent}"),
    st.integers(),
    st.text("0123456789", min_size=1, max_size=20),
    st.sampled_from(["", "", "e5", "E-30", "e+400"]),
)
SCALARS = st.none() | st.booleans() | st.integers() | DECIMALS | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.text(max_size=8), VALUES, max_size=6)


def digits(value: object) -> object:
    """``value`` with its numbers as they are written: 1, 1.0 and true are three values."""
    if isinstance(value, dict):
        return {name: digits(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [digits(inner) for inner in value]
    return (type(value) is bool, str(value)) if isinstance(value, int | Decimal) else value
