"""Plots of tables, by matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fitsense.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtraError("a plot", "tables", error) from error
    return pyplot.subplots(layout="constrained")[1]


def tempo(repetitions: Iterable[Row], ax: Axes | None) -> Axes:
    """Each repetition's length by when it ended, with a line for each set and a colour for each exercise."""
    ax = _axes(ax)
    sets: dict[tuple[Any, ...], list[Row]] = {}
    for one in repetitions:
        sets.setdefault((one["session"], one["set"]), []).append(one)
    colours: dict[str, str] = {}
    for rows in sets.values():
        name = rows[0]["name"]
        # A name that begins with _ is not in the legend.
        label = f"_{name}" if name in colours else name
        colour = colours.setdefault(name, f"C{len(colours)}")
        ax.plot([one["end_s"] for one in rows], [one["duration_s"] for one in rows], "o-", color=colour, label=label)
    ax.set(title="Tempo", xlabel="time in s", ylabel="length of a repetition in s")
    ax.set_ylim(bottom=0)
    if colours:
        ax.legend()
    return ax


def load(set_muscle_load: Iterable[Row], ax: Axes | None) -> Axes:
    """Load by muscle group, largest on top, with a part of the bar for each exercise."""
    ax = _axes(ax)
    rows = [one for one in set_muscle_load if one["load_s"]]
    totals: dict[str, float] = {}
    for one in rows:
        totals[one["muscle_name"]] = totals.get(one["muscle_name"], 0.0) + one["load_s"]
    muscles = sorted(totals, key=totals.__getitem__)
    lefts = dict.fromkeys(muscles, 0.0)
    for name in dict.fromkeys(one["name"] for one in rows):
        parts = dict.fromkeys(muscles, 0.0)
        for one in rows:
            if one["name"] == name:
                parts[one["muscle_name"]] += one["load_s"]
        ax.barh(muscles, list(parts.values()), left=list(lefts.values()), label=name)
        lefts = {muscle: lefts[muscle] + parts[muscle] for muscle in muscles}
    ax.set(title="Muscle load", xlabel="s at full activation")
    if rows:
        ax.legend()
    return ax
