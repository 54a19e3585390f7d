"""A contract says which fixture is missing; the command says which law is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.testing.contracts import BackboneContract, SessionContract
from fitsense.testing.runner import run


def test_contract_missing_fixture_is_named_with_example() -> None:
    messages = {outcome.message for outcome in run({"mine": BackboneContract})}
    assert any("needs the fixture 'plugin'" in text and "def plugin(self):" in text for text in messages)
    messages = {outcome.message for outcome in run({"mine": SessionContract})}
    assert any("needs the fixture 'model'" in text for text in messages)


def test_contract_without_pytest_names_extra() -> None:
    script = (
        "import sys; sys.modules['pytest'] = None\n"
        "import fitsense, fitsense.testing\n"
        "try: import fitsense.testing.contracts\n"
        "except fitsense.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'fitsense[testing]'" in done.stdout


def test_plugins_check_installed_plugin_passes(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = CliRunner().invoke(
        main, ["plugins", "check", "ensemble", "--only", "ensemble/weighted", "--json", str(report)]
    )
    assert done.exit_code == ExitCode.OK, done.output
    outcomes = json.loads(report.read_text("utf-8"))
    assert {outcome["subject"] for outcome in outcomes} == {"fusion ensemble/weighted"}
    assert {outcome["status"] for outcome in outcomes} == {"held"}
    assert f"{len(outcomes)} held, 0 broken" in done.output


def test_plugins_check_unknown_name_is_refused() -> None:
    for arguments, message in (
        (["nope"], "no plugin 'nope' is installed"),
        (["heads", "--only", "heads/nope"], "heads provides no 'heads/nope'"),
    ):
        done = CliRunner().invoke(main, ["plugins", "check", *arguments])
        assert done.exit_code == ExitCode.FAILED
        assert message in done.output


def test_plugins_check_broken_law_sets_exit_code() -> None:
    config = 'ensemble/weighted={"weights": {"nobody": 1}}'
    done = CliRunner().invoke(main, ["plugins", "check", "ensemble", "--config", config])
    assert done.exit_code == ExitCode.FAILED
    assert "expected one for each of the branches" in done.output
