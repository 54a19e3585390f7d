"""The page on GPUs: its program, on the CPU if there is no GPU, and its parameters."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fitsense.events.schema import validate_event
from fitsense.inference.config import RuntimeOptions
from fitsense.pipeline.options import AnalysisOptions
from fitsense.video.hwaccel import device_types, fault_of
from tests.helpers.doc_pages import PAGES, blocks

PAGE = "docs/how-to/gpu.md"


@pytest.mark.slow
def test_gpu_program_analyses_a_file(
    squats_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if "cuda" not in device_types():
        pytest.skip("this build of FFmpeg does not know cuda")
    (program,) = blocks(PAGE, "python")
    if not torch.cuda.is_available():
        on_gpu = 'device="cuda", compile=True'
        assert on_gpu in program
        # Compiling takes minutes on a CPU.
        program = program.replace(on_gpu, 'device="cpu"')
    monkeypatch.chdir(tmp_path)
    shutil.copy(squats_file, "workout.mp4")
    exec(compile(program, PAGE, "exec"), {})
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for event in events:
        validate_event(event)
    codes = [event["data"]["code"] for event in events if event["type"] == "fitsense.session.warning"]
    assert ("software_decoding" in codes) == (fault_of("cuda") is not None)
    assert "squat" in [event["data"].get("exercise") for event in events]


def test_gpu_page_names_existing_parameters() -> None:
    text = PAGES[PAGE]
    assert set(re.findall(r"`([a-z0-9]+)=", text)) == {"runtime", "compile", "bf16"}
    assert {"runtime", "device", "compile", "bf16"} <= set(RuntimeOptions.__annotations__)
    assert "hwaccel" in AnalysisOptions.__annotations__
