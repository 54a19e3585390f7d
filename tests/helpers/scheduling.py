"""Which process of pytest-xdist runs which tests, and in which order, so that all end at about the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest

TOGETHER = ("tests/teaching/", "tests/server/test_playground")
"""Beginnings of the paths of files that share something expensive: one process runs them all."""

GROUPS = {
    # Their tests export networks and take long together: what torch prepares for that, it prepares once a process.
    "exporting": (
        "tests/plugins/test_conformance_x3d.py",
        "tests/plugins/test_conformance_slowfast.py",
        "tests/plugins/test_conformance_pose.py",
        "tests/plugins/test_conformance_heads.py",
        "tests/testing/contracts/test_backbone.py",
        "tests/export/test_onnx.py",
    ),
    # They watch the sample.
    "sample": (
        "tests/cli/test_analyze.py",
        "tests/docs/test_live_sources.py",
        "tests/docs/test_pages.py",
        "tests/docs/test_readme.py",
        "tests/repetitions/test_rest.py",
        "tests/session/test_session.py",
    ),
}
"""Files that one process runs, by a name."""

FIRST = (
    "tests/cli/test_analyze.py",
    "tests/plugins/test_conformance_x3d.py",
    "tests/train/test_run.py",
    "tests/teaching/test_run.py",
    "tests/inference/test_torch.py",
    "tests/session/test_snapshot_checks.py",
    "tests/train/test_run_parts.py",
    "tests/pipeline/test_source_group.py",
    "tests/experiments/test_experiments.py",
    "tests/server/test_client.py",
    "tests/inference/test_parity.py",
    "tests/session/test_multi.py",
)
"""Files that take longest, though they contain few tests. A long one at the end keeps one process busy alone."""


def group_of(nodeid: str) -> str:
    """Name of the tests that run one after the other in one process: those of a file, or of several."""
    file = nodeid.partition("::")[0]
    named = (name for name, files in GROUPS.items() if file in files)
    return next(named, next((beginning for beginning in TOGETHER if file.startswith(beginning)), file))


def longest_first(items: list[pytest.Item]) -> None:
    """Move the tests of the longest groups to the front; all others keep their order."""
    ranks: dict[str, int] = {}
    for file in FIRST:
        ranks.setdefault(group_of(file), len(ranks))
    items.sort(key=lambda item: ranks.get(group_of(item.nodeid), len(ranks)))


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]
    """Groups in the order of the collected tests: see :func:`longest_first`."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
