"""The page on conformance: its example, lists and commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from fitsense.cli.plugins import command
from fitsense.testing import contracts, runner

PAGE = (Path(__file__).parents[2] / "docs/plugins/conformance.md").read_text("utf-8")


def test_conformance_example_runs_and_every_contract_passes() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert sum(bool(line.strip()) for line in program.splitlines()) <= 20
    names: dict[str, type] = {}
    exec(compile(program, "page", "exec"), names)
    outcomes = runner.run({name: names[name] for name in ("TestPlugin", "TestLinear")})
    assert len(outcomes) > 15
    assert [outcome for outcome in outcomes if outcome.status == "broken"] == []


def test_conformance_page_lists_existing_contracts_and_fixtures() -> None:
    listed = re.findall(r"^\| `(\w+Contract)`", PAGE, re.MULTILINE)
    assert sorted(listed) == contracts.__all__
    classes = [getattr(contracts, name) for name in listed]
    (table,) = re.findall(r"\| fixture \|.*?\n\n", PAGE, re.DOTALL)
    for row in table.strip().splitlines()[2:]:
        for fixture in re.findall(r"`(\w+)`", row.split("|")[1]):
            assert any(hasattr(contract, fixture) for contract in classes), fixture


def test_conformance_commands_parse() -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    check = command.get_command(None, "check")  # type: ignore[arg-type]
    assert check is not None
    for line in block.splitlines():
        words = shlex.split(line.removeprefix("$ "))
        assert words[:3] == ["fitsense", "plugins", "check"]
        assert check.make_context("check", words[3:]).params["name"]
