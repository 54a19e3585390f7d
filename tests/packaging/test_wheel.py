"""The wheel has everything, and works from another directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT


def test_wheel_contains_expected_files_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "fitsense/py.typed",
        "fitsense/catalogue.json",
        "fitsense/client/__init__.py",
        "fitsense/coach/__init__.py",
        "fitsense/locales/de.json",
        "fitsense/tabular/tables.py",
        "fitsense/schemas/v1/envelope.schema.json",
        "fitsense/schemas/v1/examples/valid/exercise.ended.json",
        "fitsense/schemas/asyncapi.json",
        "fitsense/server/api/openapi.json",
        "fitsense/server/playground/index.html",
        "fitsense/examples/fitsense-template/pyproject.toml",
        "fitsense/bundles/gym/model.json",
        "fitsense/bundles/gym/x3d_s.onnx",
        "fitsense/bundles/gym/x3d_s.safetensors",
        "fitsense/bundles/gym/README.md",
        "fitsense/bundles/gym-video/model.json",
        "fitsense/evaluate/templates/page.html",
        "fitsense/report/body.json",
        "fitsense/report/templates/page.html",
        "fitsense/report/templates/common.css",
        "fitsense_motion/statistics.py",
        "fitsense_pose/estimator.py",
        "fitsense_sinks/webhook.py",
        "fitsense_x3d/network.py",
        "fitsense_slowfast/py.typed",
        "fitsense_heads/lookup.py",
        "fitsense_ensemble/weighted.py",
    ):
        assert wanted in names, wanted
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {
        "fitsense",
        "fitsense_x3d",
        "fitsense_slowfast",
        "fitsense_ensemble",
        "fitsense_heads",
        "fitsense_motion",
        "fitsense_pose",
        "fitsense_sinks",
    }
    source = {path.relative_to(ROOT).as_posix() for path in (ROOT / "fitsense").rglob("*.py")}
    assert source <= set(names)


@pytest.mark.slow
def test_wheel_installed_runs_in_other_directory(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(installed)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert Path(run("-c", "import fitsense; print(fitsense.__file__)").strip()).is_relative_to(installed)
    origins = run("-c", "import fitsense_x3d, fitsense.schemas as s; print(fitsense_x3d.__file__, s.__file__)").split()
    assert all(Path(origin).is_relative_to(installed) for origin in origins)
    assert run("-m", "fitsense", "plugins").count("loaded") == 7
    assert "fitsense.session.ended" in run("-m", "fitsense", "analyze", "--sample")
