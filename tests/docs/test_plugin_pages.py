"""The pages on versions and trust: their programs, variables and limits."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import fitsense
from fitsense.bundles import bundle
from fitsense.cli.plugins import command
from fitsense.plugins._deprecation import of_fields, of_hook
from fitsense.session import snapshot as snapshots
from fitsense.testing import runner

PAGES = Path(__file__).parents[2] / "docs/plugins"


def text(page: str) -> str:
    return (PAGES / f"{page}.md").read_text("utf-8")


def run(page: str) -> dict[str, Any]:
    """Return the names that the programs of a page define, run in order."""
    defined: dict[str, Any] = {}
    for program in re.findall(r"```python\n(.*?)```", text(page), re.DOTALL):
        exec(compile(program, page, "exec"), defined)
    return defined


def test_versions_page_runs() -> None:
    defined = run("versions")
    for deprecation in (of_hook(defined["fitsense_mixers"]), of_fields(defined["Spec"])["size"]):
        assert deprecation is not None
        assert (deprecation.since, deprecation.removed_in) == ("0.2.0", 2)


def test_events_page_passes_the_conformance_kit() -> None:
    module = types.ModuleType("milestones")
    vars(module).update(run("events"))
    outcomes = runner.run({"observer": runner.contracts_of(module)["observer of milestones"]})
    assert {outcome.status for outcome in outcomes} == {"held"}


def test_trust_page_loads_only_allowed_plugins() -> None:
    defined = run("trust")
    loaded = {report.name for report in defined["plugins"].reports if report.status == "loaded"}
    assert loaded == {"x3d", "heads", "ensemble"}
    assert isinstance(defined["model"], fitsense.Model)


def test_trust_variable_blocks_named_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    (assignment,) = re.findall(r"`(FITSENSE_PLUGINS_BLOCK=.*?)`", text("trust"))
    monkeypatch.setenv(*assignment.split("="))
    monkeypatch.setenv("COLUMNS", "200")
    lines = CliRunner().invoke(command, []).output.splitlines()
    disabled = {line.split()[0] for line in lines if "blocked by the environment variable" in line}
    assert disabled == {"slowfast", "pose"}


def test_trust_page_states_the_limits_of_the_code() -> None:
    page = " ".join(text("trust").split())
    assert f"beyond {bundle._MAX_UNZIPPED_BYTES >> 30} GiB" in page
    assert f"more than {snapshots._MAX_UNPACKED_BYTES >> 30} GiB" in page
