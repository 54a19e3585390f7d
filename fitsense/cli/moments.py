"""Options that are a date and time."""

from __future__ import annotations

from datetime import datetime

import click


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """A date and time by ISO 8601; without a time zone, by the clock of this machine."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo is not None else moment.astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"expected a time such as 2026-05-01T18:30+02:00, got {value!r}") from None
