"""Configurations are checked when they are built, and what they refuse is an InvalidInputError."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.camera.monitor import CameraConfig
from fitsense.decisions.config import DecisionConfig
from fitsense.errors import InvalidInputError
from fitsense.events.model import SessionWarning
from fitsense.events.schema import validate_event
from fitsense.repetitions.config import RepetitionConfig
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        *((SessionConfig, "hop_s", value) for value in (0.01, 0, -1, 61, NAN, INF, "1", None, True, [1.0])),
        *((SessionConfig, "gap_s", value) for value in (0.0, -1.0, 1e10, NAN, INF, "1", None)),
        *((SessionConfig, "set_rest_s", value) for value in (0.0, NAN, INF, "10", None)),
        *((SessionConfig, "source", value) for value in ("", "my camera", "a\nb", "é", "%zz", "a#b#c", "1:x")),
        *((SessionConfig, "source", value) for value in ("http://[", 7, None, b"x")),
        *((SessionConfig, "started_at", value) for value in ("2026-01-01T00:00:00Z", 0, datetime(2026, 1, 1))),
        (SessionConfig, "region", (0, 0, 1, 1)),
        (SessionConfig, "region", "all"),
        (SessionConfig, "decisions", {}),
        (SessionConfig, "decisions", RepetitionConfig()),
        (SessionConfig, "repetitions", {}),
        (SessionConfig, "repetitions", CameraConfig()),
        (SessionConfig, "camera", False),
        (SessionConfig, "camera", DecisionConfig()),
        *((DecisionConfig, "enter", value) for value in ("0.5", 1.5, NAN, True)),
        *((DecisionConfig, "smoothing_s", value) for value in ("1", None, INF, -1)),
        *((RepetitionConfig, "window_s", value) for value in ("14", None, INF, 1e6)),
        *((RepetitionConfig, "min_motion_share", value) for value in ("0.2", None, 2, NAN)),
        *((CameraConfig, "idle", value) for value in ("0.6", None, 2)),
        *((CameraConfig, "clear_s", value) for value in ("1", None, INF, -1)),
    ],
)  # fmt: skip
def test_config_invalid_value_is_refused(kind: type[Any], field: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=rf"{field}: expected .*, got "):
        kind(**{field: value})
    with pytest.raises(InvalidInputError):
        attrs.evolve(kind(), **{field: value})


@pytest.mark.parametrize(
    "source",
    ["urn:gym:7", "file:a%20b.mp4", "/cameras/1", "front", "rtsp://u:p@[::1]:554/x?y=1#z", "//host/a", "a/b:c", "x:"],
)
def test_session_config_with_a_uri_reference_gives_valid_events(source: str) -> None:
    config = SessionConfig(source=source, hop_s=np.float64(0.1), gap_s=2)
    session = Session(fitsense.load_model(), config)
    (started, warning) = session.warn("gap", "no frames")
    assert isinstance(warning.data, SessionWarning)
    for event in (started, warning):
        validate_event(event.to_dict())


def test_decision_config_without_thresholds_keeps_the_bundles() -> None:
    model = fitsense.load_model()
    fitted = (model.manifest.calibration.enter, model.manifest.calibration.exit)
    assert fitted != DecisionConfig().thresholds()

    def of(**settings: float) -> tuple[float, float]:
        decisions = Session(model, SessionConfig(decisions=DecisionConfig(**settings)))._decisions
        return decisions._enter, decisions._exit

    assert of() == of(min_duration_s=3.0) == fitted
    assert of(enter=0.9) == (0.9, fitted[1])
    # One that is given moves the bundle's other one no further than it must.
    assert of(enter=0.01) == (0.01, 0.01)
    assert of(exit=0.99) == (0.99, 0.99)
    assert of(enter=0.5, exit=0.35) == (0.5, 0.35)
