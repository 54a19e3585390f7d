"""Results as files: JSON for programs, Markdown and SVG for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from fitsense.experiments.base import Experiment, Figure, Result, Table
from fitsense.experiments.formatting import format_metric
from fitsense.experiments.plots import svg
from fitsense.experiments.presets import Scale


def write(experiment: Experiment, scale: Scale, result: Result, folder: Path) -> list[Path]:
    """Write NAME.json, NAME.md and its plots to a folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = plot_files(experiment, result)
    files = {
        f"{experiment.name}.json": json.dumps(document(experiment, scale, result), indent=1) + "\n",
        f"{experiment.name}.md": markdown(experiment, scale, result),
        **{file: svg(plot) for file, plot in zip(pictures, result.plots, strict=True)},
    }
    for file, text in files.items():
        (folder / file).write_text(text, "utf-8")
    return [folder / file for file in files]


def document(experiment: Experiment, scale: Scale, result: Result) -> dict[str, Any]:
    """Convert a result to a JSON object."""
    return {
        "experiment": experiment.name,
        "question": experiment.question,
        "scale": attrs.asdict(scale),
        "measured": result.measured,
        "answer": result.answer,
        "tables": [
            {
                "title": table.title,
                "rows": [
                    {
                        "name": row.name,
                        **row.facts,
                        "difference": row.difference,
                        "figures": {name: _figure(figure) for name, figure in row.figures.items()},
                    }
                    for row in table.rows
                ],
            }
            for table in result.tables
        ],
        "plots": [
            {
                "title": plot.title,
                "across": plot.across,
                "lines": {
                    name: [{"at": place, **_figure(figure)} for place, figure in points]
                    for name, points in plot.lines.items()
                },
                "marks": dict(plot.marks),
            }
            for plot in result.plots
        ],
        "skipped": [attrs.asdict(skip) for skip in result.skipped],
    }


def markdown(experiment: Experiment, scale: Scale, result: Result, *, with_plots: bool = True) -> str:
    """Format a result as a page, which links to the files of its plots."""
    parts = [
        f"# {experiment.name}",
        experiment.question,
        result.answer,
        f"Scale `{scale.name}`: {result.measured} Skipped clips: {len(result.skipped)}. In brackets: 95 % intervals.",
    ]
    if with_plots:
        files = zip(plot_files(experiment, result), result.plots, strict=True)
        parts += [f"![{plot.title}]({file})" for file, plot in files]
    for table in result.tables:
        parts += [f"## {table.title}", _table(table)]
    return "\n\n".join(parts) + "\n"


def plot_files(experiment: Experiment, result: Result) -> list[str]:
    """Names of the plots' files."""
    many = len(result.plots) > 1
    return [f"{experiment.name}{f'-{index + 1}' if many else ''}.svg" for index in range(len(result.plots))]


def _table(table: Table) -> str:
    facts = list(dict.fromkeys(name for row in table.rows for name in row.facts))
    figures = list(dict.fromkeys(name for row in table.rows for name in row.figures))
    lines = [["", *facts, *figures], ["---", *["---:"] * (len(facts) + len(figures))]]
    for row in table.rows:
        lines.append(
            [
                row.name,
                *(f"{row.facts[name]:g}" if name in row.facts else "" for name in facts),
                *(
                    format_metric(row.figures[name], difference=row.difference) if name in row.figures else ""
                    for name in figures
                ),
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _figure(figure: Figure) -> Mapping[str, Any]:
    return {"value": figure.value, "interval": None if figure.interval is None else list(figure.interval)}
