"""Date and time options."""

from __future__ import annotations

from datetime import datetime

import click


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Parse a date and time in ISO 8601; without a time zone, in the local one."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo is not None else moment.astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"expected a time such as 2026-05-01T18:30+02:00, got {value!r}") from None
