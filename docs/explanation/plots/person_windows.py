"""Frames, the frames in which landmarks are found, and the windows that share them."""

import matplotlib.pyplot as plt
import numpy as np

from fitsense.pose.landmarks import REQUIRED, LandmarkSet
from fitsense.pose.tracker import PersonTracker
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.types import ClipSpec
from fitsense.windowing.sampler import Window, WindowSampler

SPEC = ClipSpec(frames=16, rate_hz=6.0, size=8, short_side=8)
torso = LandmarkSet("torso", REQUIRED, [REQUIRED[:2], REQUIRED[2:]], [])
tracker = PersonTracker(torso, PersonTrackerConfig(rate_hz=10.0))
sampler = WindowSampler({"pose": SPEC}, hop_s=1.0, landmarks={"pose": len(torso)})

times = np.arange(0, 5.5, 1 / 15)
looked, outputs = [], []
for time_s in times:
    pose = None
    if tracker.due(float(time_s)):
        tracker.regions(float(time_s))
        # Each pose holds its time, so that the plot shows which windows contain it.
        pose = {"pose": np.full((len(torso), 6), time_s, np.float32)}
        looked.append(time_s)
    outputs += sampler.push({}, float(time_s), pose)
windows = [output for output in [*outputs, *sampler.finish()] if isinstance(output, Window)]

figure, axes = plt.subplots()
axes.plot(times, np.full_like(times, -1), "|", color="#999", label="frames")
axes.plot(looked, np.zeros_like(looked), "|", color="#d55e00", label="landmarks found")
for row, window in enumerate(windows, start=1):
    axes.barh(row, window.end_s - window.start_s, left=window.start_s, height=0.5, color="#cfe3f1")
    used = window.poses["pose"][:, 0, 0]
    axes.plot(used, np.full_like(used, row), "|", color="#d55e00")
axes.set_yticks(
    range(-1, len(windows) + 1), ["frames", "poses", *(f"window {row}" for row in range(1, len(windows) + 1))]
)
axes.invert_yaxis()
axes.set_xlabel("seconds of media time")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=2, frameon=False)
