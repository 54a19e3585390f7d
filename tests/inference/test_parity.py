"""The same clip gives the same scores, whoever computes them."""

from __future__ import annotations

import numpy as np
import pytest

import fitsense
from fitsense.data.clip_views import clip_views
from fitsense.inference.config import RuntimeName
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import UInt8Array

# Largest difference of a logit. float32 against float32: order of sums alone. bfloat16 has 8 bits of mantissa.
F32_TOLERANCE = 2e-3
BF16_PROBABILITY_TOLERANCE = 0.06


@pytest.fixture(scope="module")
def clips(model: fitsense.Model, squats: FigureVideo) -> dict[str, UInt8Array]:
    return clip_views(squats, model.clips, views=1, mirror=True)


def test_openvino_and_torch_agree(model: fitsense.Model, clips: dict[str, UInt8Array]) -> None:
    torch_model = fitsense.load_model(runtime="torch")
    ours, theirs = model.run(clips), torch_model.run(clips)
    for branch, outputs in ours.items():
        assert outputs.keys() == theirs[branch].keys() == {"features", "exercise", "muscles"}
        for name, values in outputs.items():
            np.testing.assert_allclose(values, theirs[branch][name], atol=F32_TOLERANCE, err_msg=name)
    assert outputs["exercise"].std() > 100 * F32_TOLERANCE


def test_bfloat16_is_close(model: fitsense.Model, clips: dict[str, UInt8Array]) -> None:
    from fitsense.inference.openvino import cpu_computes_bf16

    if not cpu_computes_bf16():
        pytest.skip("this CPU does not compute in bfloat16")
    half = fitsense.load_model(bf16=True)
    exact, rough = model.predict_clips(clips), half.predict_clips(clips)
    for task in exact:
        difference = np.abs(exact[task].probabilities - rough[task].probabilities).max()
        assert difference < BF16_PROBABILITY_TOLERANCE, task


def test_predict_batch_equals_single_clips(model: fitsense.Model, clips: dict[str, UInt8Array]) -> None:
    together = model.predict_clips(clips)["exercise"].logits
    for index in range(len(together)):
        alone = model.predict_clips({name: batch[index : index + 1] for name, batch in clips.items()})[
            "exercise"
        ].logits
        np.testing.assert_allclose(alone[0], together[index], atol=F32_TOLERANCE)


def test_run_again_gives_the_same_results(model: fitsense.Model, clips: dict[str, UInt8Array]) -> None:
    one = {name: batch[:1] for name, batch in clips.items()}
    first, again = model.run(one), model.run(one)
    for branch, outputs in first.items():
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, again[branch][name])


def test_results_are_the_callers_own(model: fitsense.Model, clips: dict[str, UInt8Array]) -> None:
    first = model.run(clips)
    kept = {branch: {name: values.copy() for name, values in outputs.items()} for branch, outputs in first.items()}
    model.run({name: 255 - batch for name, batch in clips.items()})
    for branch, outputs in first.items():
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, kept[branch][name])


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_clips_that_do_not_fit_are_refused(runtime: RuntimeName) -> None:
    model = fitsense.load_model(runtime=runtime)
    fitting = {name: np.zeros((1, *spec.shape), np.uint8) for name, spec in model.clips.items()}
    with pytest.raises(
        fitsense.InvalidInputError, match=r"expected uint8 of shape \(clips, 13, 160, 160, 3\), got uint8"
    ):
        model.run({**fitting, "x3d_s": np.zeros((1, 13, 100, 160, 3), np.uint8)})
    with pytest.raises(fitsense.InvalidInputError, match="got float32"):
        model.run({**fitting, "x3d_s": np.zeros((1, 13, 160, 160, 3), np.float32)})
    with pytest.raises(fitsense.InvalidInputError, match="expected those of the branches"):
        model.run({"other": np.zeros((1, 13, 160, 160, 3), np.uint8)})


def test_predict_empty_batch_gives_empty_scores(model: fitsense.Model) -> None:
    scores = model.predict_clips({name: np.zeros((0, *spec.shape), np.uint8) for name, spec in model.clips.items()})
    assert scores["exercise"].logits.shape == (0, len(model.labels.exercise))


def test_threads_can_be_set(clips: dict[str, UInt8Array], model: fitsense.Model) -> None:
    one = fitsense.load_model(threads=1, bf16=False).predict_clips(clips)["exercise"].logits
    np.testing.assert_allclose(one, model.predict_clips(clips)["exercise"].logits, atol=F32_TOLERANCE)


def test_load_model_unknown_runtime_is_refused() -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected one of openvino, torch, got 'cuda'"):
        fitsense.load_model(runtime="cuda")  # type: ignore[arg-type]
