"""Figures in words."""

from __future__ import annotations

from fitsense.experiments.base import Figure


def format_metric(figure: Figure, *, difference: bool = False) -> str:
    """A figure with its interval; with a sign where it is a difference, a dash where there is none."""
    if figure.value is None:
        return "–"
    form = "+.3f" if difference else ".3f"
    numbers = [figure.value, *(figure.interval or ())]
    value, *ends = (format(number, form).replace("-", "\N{MINUS SIGN}") for number in numbers)
    return f"{value} [{', '.join(ends)}]" if ends else value


def verdict(difference: Figure) -> str:
    """What the interval of a difference allows to say."""
    if difference.value is None or difference.interval is None:
        return "there are too few clips to tell"
    low, high = difference.interval
    if low == high == 0:
        return "both are the same"
    if low > 0:
        return "the whole interval is above 0"
    if high < 0:
        return "the whole interval is below 0"
    return "the interval holds 0, so that this run cannot tell"
