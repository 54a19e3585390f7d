"""Fields of event data: converters that round values to the precision of events, and fields that may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

# Decimal places in events: milliseconds, a hundredth of a percent, and a tenth of a degree.
_TIME_DIGITS = 3
_SCORE_DIGITS = 4
_ANGLE_DIGITS = 1
# The wire format omits such a field when it is None.
OPTIONAL = {"optional": True}


def _seconds(value: float) -> float:
    return round(float(value), _TIME_DIGITS) + 0.0


def _score(value: float) -> float:
    return round(float(value), _SCORE_DIGITS) + 0.0


def _scores(values: Mapping[str, float]) -> dict[str, float]:
    return {key: _score(value) for key, value in values.items()}


def _seconds_by_group(values: Mapping[str, float]) -> dict[str, float]:
    return {key: _seconds(value) for key, value in values.items()}


def load_field() -> Any:
    return attrs.field(converter=_seconds_by_group)


def seconds_or_none(value: float | None) -> float | None:
    return None if value is None else _seconds(value)


def seconds_or_none_field() -> Any:
    return attrs.field(converter=seconds_or_none)


def angle_or_none(value: float | None) -> float | None:
    return None if value is None else round(float(value), _ANGLE_DIGITS) + 0.0


def score_or_none(value: float | None) -> float | None:
    return None if value is None else _score(value)


def absent(converter: Any = None) -> Any:
    """A field that is None by default, and then absent from the wire format."""
    return attrs.field(default=None, converter=converter, metadata=OPTIONAL)


def seconds_field() -> Any:
    return attrs.field(converter=_seconds)


def score_field() -> Any:
    return attrs.field(converter=_score)


def scores_field() -> Any:
    return attrs.field(converter=_scores)
