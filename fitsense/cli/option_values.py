"""Callbacks that parse the values of options: a region of the picture, and lists of names."""

from __future__ import annotations

import click

from fitsense.errors import InvalidInputError
from fitsense.geometry import Region


def region_value(context: click.Context, parameter: click.Parameter, value: str | None) -> Region | None:
    """Parse ``L,T,R,B``, in shares of the picture."""
    if value is None:
        return None
    try:
        left, top, right, bottom = map(float, value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"expected four numbers in 0..1, such as 0,0,0.5,1 for the left half, got {value!r}"
        ) from None
    try:
        return Region(left, top, right, bottom)
    except InvalidInputError as error:
        raise click.BadParameter(str(error)) from None


def names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    """Names, separated by commas; None if the option is not given."""
    listed = tuple(name.strip() for value in values for name in value.split(","))
    if not all(listed):
        raise click.BadParameter(f"expected names with commas between, such as squat,push_up, got {','.join(values)!r}")
    return listed or None
