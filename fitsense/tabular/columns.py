"""Columns of tables, and their Arrow schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import pyarrow as pa


@attrs.frozen
class Column:
    """A column of a table.

    :param kind: a type of Arrow's, by its name, or ``time`` for a wall-clock time in UTC.
    :param unit: such as ``s``; empty where there is none.
    """

    name: str
    kind: str
    unit: str = ""


SPAN = (Column("start_s", "double", "s"), Column("end_s", "double", "s"), Column("duration_s", "double", "s"))
SET_STATS = (
    Column("repetitions", "int64"),
    Column("attempts", "int64"),
    Column("time_under_tension_s", "double", "s"),
    Column("tempo_mean_s", "double", "s"),
    Column("tempo_spread_s", "double", "s"),
)
LOAD = (
    Column("muscle", "string"),
    Column("load_s", "double", "s at full activation"),
    Column("load_repetitions", "double", "repetitions at full activation"),
)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a table; units are in its fields' metadata."""
    import pyarrow as pa

    def field(column: Column) -> pa.Field:
        kind = pa.timestamp("ms", tz="UTC") if column.kind == "time" else pa.type_for_alias(column.kind)
        return pa.field(column.name, kind, metadata={"unit": column.unit} if column.unit else None)

    return pa.schema([field(column) for column in columns])
