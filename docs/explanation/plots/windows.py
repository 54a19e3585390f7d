"""Windows of a run, and the span that each decides about."""

import matplotlib.pyplot as plt
import numpy as np

from fitsense.types import ClipSpec
from fitsense.windowing.sampler import Window, WindowSampler

SPEC = ClipSpec(frames=8, rate_hz=4.0, size=8, short_side=8)
PICTURE = np.zeros((8, 8, 3), dtype=np.uint8)

windows = WindowSampler({"branch": SPEC}, hop_s=1.0)
times = np.arange(0, 5.4, 0.2)
outputs = [output for time_s in times for output in windows.push({"branch": PICTURE}, float(time_s))]
made = [output for output in [*outputs, *windows.finish()] if isinstance(output, Window)]

figure, axes = plt.subplots()
axes.plot(times, np.zeros_like(times), "|", color="#333", label="frames")
for row, window in enumerate(made, start=1):
    axes.barh(row, window.end_s - window.start_s, left=window.start_s, height=0.5, color="#cfe3f1")
    decided = window.decides_until_s - window.decides_from_s
    axes.barh(row, decided, left=window.decides_from_s, height=0.5, color="#0072b2")
axes.barh(0, 0, color="#cfe3f1", label="window")
axes.barh(0, 0, color="#0072b2", label="decided span")
axes.set_yticks(range(len(made) + 1), ["frames", *(f"window {row}" for row in range(1, len(made) + 1))])
axes.invert_yaxis()
axes.set_xlabel("seconds of media time")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=3, frameon=False)
