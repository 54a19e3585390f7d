"""Debug messages of sessions, to the logger ``fitsense.session``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from fitsense.decisions.decisions import Decisions
from fitsense.events.model import Event
from fitsense.types import Prediction
from fitsense.windowing.sampler import Window

_LOGGER = logging.getLogger("fitsense.session")
_MAX_SCORES = 3


def log_window(window: Window, prediction: Prediction, labels: Sequence[str], decisions: Decisions) -> None:
    """Log a window's best labels, and the answers that the decisions weigh after it."""
    if not _LOGGER.isEnabledFor(logging.DEBUG):
        return
    best = np.argsort(-prediction.exercise, kind="stable")[:_MAX_SCORES]
    scores = ", ".join(f"{labels[index]} {prediction.exercise[index]:.2f}" for index in best)
    state = decisions.state
    candidate = state.candidate
    trial = "" if candidate is None else f"; on trial {candidate.answer} for {candidate.seconds:.1f} s"
    current = "nothing" if state.current is None else state.current.answer
    _LOGGER.debug("window %.2f to %.2f s: %s; current %s%s", window.start_s, window.end_s, scores, current, trial)


def log_event(event: Event) -> None:
    """Log an event."""
    _LOGGER.debug("%s %s %s", event.source, event.id, event.data)
