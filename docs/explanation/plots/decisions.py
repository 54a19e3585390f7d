"""Probabilities of a workout, before and after smoothing, and the resulting segments."""

import matplotlib.pyplot as plt
import numpy as np

from fitsense.decisions.config import DecisionConfig
from fitsense.decisions.decisions import Decisions
from fitsense.decisions.segments import SegmentEnded
from fitsense.types import Prediction

LABELS = ("squat", "push_up", "no_exercise")
COLOURS = {"squat": "#0072b2", "push_up": "#d55e00", "no_exercise": "#999999", "unknown": "#cc79a7"}
HOP_S = 0.5
# Each line: duration in seconds, and probabilities in the order of LABELS.
SCENES = [
    (4.0, (0.05, 0.05, 0.90)),
    (6.0, (0.85, 0.05, 0.10)),
    (0.5, (0.05, 0.85, 0.10)),
    (4.0, (0.85, 0.05, 0.10)),
    (4.0, (0.42, 0.40, 0.18)),
    (6.0, (0.22, 0.42, 0.36)),
    (4.0, (0.05, 0.90, 0.05)),
    (3.0, (0.03, 0.07, 0.90)),
]

config = DecisionConfig()
enter, exit = config.thresholds()
decisions = Decisions(LABELS, ("quads",), config)
starts, raw, smoothed, segments = [], [], [], []
at = 0.0
for seconds, probabilities in SCENES:
    for _ in range(round(seconds / HOP_S)):
        prediction = Prediction(at, at + HOP_S, np.array(probabilities, dtype=np.float32), np.zeros(1, np.float32))
        segments += decisions.update(prediction, at, at + HOP_S)
        starts.append(at + HOP_S / 2)
        raw.append(probabilities)
        smoothed.append(decisions.state.smoothed)
        at += HOP_S
segments += decisions.end_run(at)

figure, (upper, lower) = plt.subplots(2, sharex=True, figsize=(7.5, 3.8), gridspec_kw={"height_ratios": [4, 1]})
for column, label in enumerate(LABELS):
    upper.step(starts, np.array(raw)[:, column], where="mid", color=COLOURS[label], alpha=0.25)
    upper.plot(starts, np.array(smoothed)[:, column], color=COLOURS[label], label=label)
upper.axhline(enter, color="#333", linewidth=0.8, linestyle="--")
upper.axhline(exit, color="#333", linewidth=0.8, linestyle=":")
upper.text(at, enter, " enter", va="center")
upper.text(at, exit, " exit", va="center")
upper.set_ylabel("probability")
upper.set_ylim(0, 1)
upper.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=3, frameon=False)
for segment in segments:
    if isinstance(segment, SegmentEnded):
        length = segment.end_s - segment.start_s
        lower.barh(0, length, left=segment.start_s, height=0.8, color=COLOURS[segment.exercise])
        middle = segment.start_s + length / 2
        lower.text(middle, 0, segment.exercise, ha="center", va="center", color="white")
lower.set_yticks([0], ["segments"])
lower.set_xlim(0, at)
lower.set_xlabel("seconds of media time")
