"""The directive ``bundle-figures``: the metrics of all shipped bundles, from their ``training.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# Title, path in `test`, and whether it is a share.
_FIGURES: Sequence[tuple[str, str, bool]] = (
    ("clips of exercises", "exercise.clips", False),
    ("exercises", "exercise.groups", False),
    ("exercise, top-1 accuracy", "exercise.top1", True),
    ("exercise, top-5 accuracy", "exercise.top5", True),
    ("exercise, mean recall", "exercise.macro_recall", True),
    ("exercise, calibration error", "exercise.ece", True),
    ("muscle groups, mean average precision", "muscles.map", True),
    ("exercise vs. idle, AUROC", "rejection.auroc", True),
    ("clips with a name instead of unknown", "unknown.known_named", True),
    ("exercises outside the bundle that get a name", "unknown.named", True),
)
_EXERCISE_COLUMNS = ("clips", "recall", "precision")

Report = Mapping[str, Any]


class BundleFigures(SphinxDirective):
    """``{bundle-figures}`` compares the bundles; ``{bundle-figures} exercises`` lists each exercise's recall."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = recalls if self.arguments == ["exercises"] else comparison
        return self.parse_text_to_nodes("\n".join(shown(reports())))


def reports() -> Mapping[str, Report]:
    """Metrics of each shipped bundle on the test split, with its version, by name."""
    found: dict[str, Report] = {}
    for folder in sorted(resources.files("fitsense.bundles").iterdir(), key=lambda one: one.name):
        file = folder.joinpath("training.json")
        if file.is_file():
            document = json.loads(file.read_text("utf-8"))
            if "test" in document:
                manifest = json.loads(folder.joinpath("model.json").read_text("utf-8"))
                found[folder.name] = {**document["test"], "version": manifest["version"]}
    return found


def comparison(by_bundle: Mapping[str, Report]) -> Iterator[str]:
    """Markdown lines: a row for each figure, with its interval where there is one."""
    names = [f"`{name}` {report['version']}" for name, report in by_bundle.items()]
    yield from _head(["", *names])
    for title, path, is_share in _FIGURES:
        cells = [_cell(report, path, is_share) for report in by_bundle.values()]
        yield f"| {title} | " + " | ".join(cells) + " |"


def recalls(by_bundle: Mapping[str, Report]) -> Iterator[str]:
    """Markdown lines: a row for each exercise, with clips and recall of each bundle."""
    yield from _head(["exercise", "clips", *(f"recall, `{name}`" for name in by_bundle)])
    groups = {name: report["exercise"]["by_group"] for name, report in by_bundle.items()}
    for exercise in sorted({one for group in groups.values() for one in group}):
        found = [group.get(exercise) for group in groups.values()]
        clips = max(one["clips"] for one in found if one)
        yield f"| {exercise} | {clips} | " + " | ".join(_share(one["recall"]) if one else "–" for one in found) + " |"


def _head(cells: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(cells) + " |"
    yield "|" + "---|" * len(cells)


def _at(report: Report, path: str) -> Any:
    value: Any = report
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _cell(report: Report, path: str, is_share: bool) -> str:
    value = _at(report, path)
    if value is None:
        return "–"
    if not is_share:
        return str(value)
    interval = _at(report, f"intervals.{path}")
    return _share(value) + (f" ({_share(interval[0])} to {_share(interval[1])})" if interval else "")


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("bundle-figures", BundleFigures)
    return {"parallel_read_safe": True}
