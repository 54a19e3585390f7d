"""Figures as text."""

from __future__ import annotations

from fitsense.experiments.base import Figure


def format_metric(figure: Figure, *, difference: bool = False) -> str:
    """Format a figure with its interval; a difference gets a sign, a missing value is a dash."""
    if figure.value is None:
        return "–"
    form = "+.3f" if difference else ".3f"
    numbers = [figure.value, *(figure.interval or ())]
    value, *ends = (format(number, form).replace("-", "\N{MINUS SIGN}") for number in numbers)
    return f"{value} [{', '.join(ends)}]" if ends else value


def verdict(difference: Figure) -> str:
    """Interpret the interval of a difference."""
    if difference.value is None or difference.interval is None:
        return "there are too few clips for an interval"
    low, high = difference.interval
    if low == high == 0:
        return "both are equal"
    if low > 0:
        return "the whole interval is above 0"
    if high < 0:
        return "the whole interval is below 0"
    return "the interval contains 0, so that this run decides nothing"
