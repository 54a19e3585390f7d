"""The other commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fitsense.cli import doctor, main
from fitsense.cli.exit_codes import ExitCode
from fitsense.cli.live_view import left
from fitsense.events.schema import schemas
from fitsense.plugins._manager import PluginManager


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_lists_all_commands_and_exit_codes() -> None:
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
        "evaluate-sessions",
        "train",
    ):
        assert command in text
        assert run(command, "--help").exit_code == 0
    for code in ExitCode:
        assert f"{code.value}  {code.meaning}"[:40] in text


def test_plugins_prints_table_and_json() -> None:
    printed = run("plugins").output
    assert "slowfast/small" in printed.replace("\n", "")
    assert re.search(r"pose estimators: +pose/blazepose", " ".join(printed.split()))
    reports = {report["name"]: report for report in json.loads(run("plugins", "--json").output)}
    assert reports["x3d"]["status"] == "loaded"
    assert reports["x3d"]["provides"]["backbones"] == [
        "x3d/xs",
        "x3d/s",
        "x3d/m",
        "x3d/l",
        "x3d/bodies",
        "x3d/streaming",
    ]


def test_schema_lists_and_prints_schemas() -> None:
    listing = run("schema").output
    assert all(name in listing for name in schemas())
    assert json.loads(run("schema", "exercise.ended").output) == schemas()["exercise.ended"]
    wrong = run("schema", "nope")
    assert wrong.exit_code == ExitCode.FAILED
    assert "unknown schema 'nope'" in wrong.output


def test_schema_all_prints_every_schema_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    added = {"$id": "urn:fitsense:plugin:mine:done", "type": "object"}
    monkeypatch.setattr(PluginManager, "schemas", lambda self: {"mine.done": added})
    assert json.loads(run("schema", "--all").output) == {**schemas(), "mine.done": added}
    assert json.loads(run("schema", "urn:fitsense:plugin:mine:done").output) == added
    assert "session.warning, mine.done" in run("schema", "mine.dome").output
    both = run("schema", "--all", "mine.done")
    assert both.exit_code == ExitCode.USAGE
    assert "expected a name or --all" in both.output


def test_models_lists_and_shows_cards() -> None:
    assert "gym-video (default)" in run("models").output
    assert "## Limits" in run("models", "gym", "--card").output
    assert json.loads(run("models", "--json").output)["gym"]["name"] == "gym"
    assert run("models", "nope").exit_code == ExitCode.BAD_BUNDLE


def test_doctor_healthy_installation_passes() -> None:
    done = run("doctor")
    assert done.exit_code == 0, done.output
    for words in (
        "openvino on",
        "torch on cpu",
        "decoding  by the CPU",
        "plugin    x3d: loaded",
        "is verified and runs",
        "everything a session needs is working",
    ):
        assert words in done.output


@pytest.mark.parametrize(
    ("torch", "torchvision", "said"),
    [
        ("2.13.0+cpu", "0.28.0+cpu", ""),
        ("2.13.0", "0.28.0", ""),
        ("2.13.0+cpu", "0.28.0", ""),
        ("2.13.0a0+git1a2b3c", "0.28.0+cpu", ""),
        ("2.13.0+cpu", None, ""),
        ("2.13.0+cpu", "0.28.0+cu130", "expected the build of torch 2.13.0+cpu, got 0.28.0+cu130"),
        ("2.13.0+cu130", "0.28.0+cpu", "expected the build of torch 2.13.0+cu130, got 0.28.0+cpu"),
        ("2.13.0+cu130", "0.28.0+cu126", "expected the build of torch 2.13.0+cu130, got 0.28.0+cu126"),
        ("2.12.1+cpu", "0.28.0+cpu", "torchvision 0.28.0+cpu: expected torch 2.13.0, got 2.12.1+cpu"),
    ],
)
def test_doctor_torchvision_of_other_build_is_reported(
    torch: str, torchvision: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_build", {"torch": torch, "torchvision": torchvision}.get)
    monkeypatch.setattr("fitsense.cli.doctor.metadata.requires", lambda name: ["numpy", "torch (==2.13.0)"])
    monkeypatch.setattr("fitsense.inference.torch.devices", lambda: ("cpu",))
    monkeypatch.setattr(doctor, "_runtime", lambda: True)
    monkeypatch.setattr(doctor, "_bundle", lambda: True)
    done = run("doctor")
    assert done.exit_code == 0, done.output
    assert said in done.output
    assert bool(said) == ("Install both from one index" in done.output)


def test_doctor_reads_version_file_without_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("vision_a", "__version__ = '1.0+cpu'\nimport nothing"), ("vision_b", "x = 1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError")
        (tmp_path / name / "version.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor._build("vision_a") == "1.0+cpu"
    assert doctor._build("vision_b") is None
    assert doctor._build("vision_c") is None


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_evaluate_folder_without_manifest_is_refused(command: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    more = ["--split", "test"] if command == "evaluate" else ["--out", str(folder / "out"), "--weights", "nope"]
    done = run(command, "--data", str(folder), *more)
    assert done.exit_code in (ExitCode.FAILED, ExitCode.BAD_BUNDLE)
    assert "fitsense: " in done.output


def test_command_misspelt_suggests_similar_one() -> None:
    done = run("analyse", "video.mp4")
    assert done.exit_code == ExitCode.USAGE
    assert "No such command 'analyse'. Did you mean 'analyze'?" in done.output
    assert "No such command 'xyzzy'" in run("xyzzy").output


def test_analyze_several_files_suggests_fleet() -> None:
    done = run("analyze", "one.mp4", "two films.mp4")
    assert done.exit_code == ExitCode.USAGE
    assert "expected one SOURCE, got 2" in done.output
    assert "fitsense fleet one.mp4 'two films.mp4' --out FOLDER" in done.output


@pytest.mark.parametrize(
    ("done_s", "elapsed_s", "said"),
    [(60.0, 20.0, ", about 0:40 left"), (1.0, 20.0, ""), (60.0, 0.5, ""), (180.0, 60.0, "")],
)
def test_left_estimates_remaining_time(done_s: float, elapsed_s: float, said: str) -> None:
    assert left(done_s, 180.0, elapsed_s) == said


def test_analyze_quiet_prints_nothing_and_writes_events(squats_file: Path, tmp_path: Path) -> None:
    done = run("analyze", str(squats_file), "--hop", "2", "--quiet", "--events", str(tmp_path / "events.ndjson"))
    assert (done.exit_code, done.output) == (0, "")
    assert '"fitsense.session.ended"' in (tmp_path / "events.ndjson").read_text()
    refused = run("analyze", str(squats_file), "--quiet")
    assert refused.exit_code == ExitCode.USAGE
    assert "give --events FILE, --sink or --overlay" in refused.output
