"""The other commands."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from fitsense.cli import main
from fitsense.cli.exits import ExitCode
from fitsense.schema import schemas


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_lists_every_command_and_exit_code() -> None:
    text = run("--help").output
    for command in (
        "analyze",
        "cascade",
        "dataset",
        "doctor",
        "evaluate",
        "experiment",
        "fleet",
        "models",
        "plugins",
        "quantize",
        "report",
        "schema",
        "serve",
        "streams",
        "train",
    ):
        assert command in text
        assert run(command, "--help").exit_code == 0
    for code in ExitCode:
        assert f"{code.value}  {code.meaning}"[:40] in text


def test_plugins_are_shown_as_a_table_and_as_json() -> None:
    assert "slowfast/small" in run("plugins").output.replace("\n", "")
    reports = {report["name"]: report for report in json.loads(run("plugins", "--json").output)}
    assert reports["x3d"]["status"] == "loaded"
    assert reports["x3d"]["offers"]["backbones"] == ["x3d/xs", "x3d/s", "x3d/m", "x3d/l", "x3d/bodies", "x3d/streaming"]


def test_schemas_are_listed_and_printed() -> None:
    listing = run("schema").output
    assert all(name in listing for name in schemas())
    assert json.loads(run("schema", "exercise.ended").output) == schemas()["exercise.ended"]
    wrong = run("schema", "nope")
    assert wrong.exit_code == ExitCode.FAILED
    assert "no schema is called 'nope'" in wrong.output


def test_models_are_listed_with_their_cards() -> None:
    assert "gym (default)" in run("models").output
    assert "## Limits" in run("models", "gym", "--card").output
    assert json.loads(run("models", "--json").output)["gym"]["name"] == "gym"
    assert run("models", "nope").exit_code == ExitCode.BAD_BUNDLE


def test_the_doctor_finds_this_installation_healthy() -> None:
    done = run("doctor")
    assert done.exit_code == 0, done.output
    for words in (
        "openvino on",
        "torch on cpu",
        "decoding  by the CPU",
        "plugin    x3d: loaded",
        "is verified and runs",
        "all that a session needs works",
    ):
        assert words in done.output


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_folder_without_a_manifest_is_refused(command: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    more = ["--split", "test"] if command == "evaluate" else ["--out", str(folder / "out"), "--weights", "nope"]
    done = run(command, "--data", str(folder), *more)
    assert done.exit_code in (ExitCode.FAILED, ExitCode.BAD_BUNDLE)
    assert "fitsense: " in done.output
