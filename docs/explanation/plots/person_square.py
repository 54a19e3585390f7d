"""The box of a rendered person in each frame, the steady box, and the square that a branch sees."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from fitsense.geometry import Region
from fitsense.imaging.resize import person_square
from fitsense.pose.steady_box import SteadyBox
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.synthetic.rendering import Appearance, Camera

WIDTH, HEIGHT = 398, 224
camera = Camera(azimuth_deg=50.0, elevation_deg=10.0, distance_m=5.5, target=(1.1, 0.8, 0.0))
video = FigureVideo((Bout("squat", 1, 2.0),), camera, size=(WIDTH, HEIGHT), rate_hz=10.0)
# The same figure in a black room shows where the person is.
dark = Appearance(trousers=(0.5, 0.5, 0.5), hair=(0.5, 0.5, 0.5), wall=(0.0, 0.0, 0.0), floor=(0.0, 0.0, 0.0))
shadows = FigureVideo((Bout("squat", 1, 2.0),), camera, dark, size=(WIDTH, HEIGHT), rate_hz=10.0)

steady, boxes = SteadyBox(), []
for frame in shadows:
    rows, columns = np.nonzero(frame.rgb.max(axis=2) > 20)
    seen = Region(columns.min() / WIDTH, rows.min() / HEIGHT, (columns.max() + 1) / WIDTH, (rows.max() + 1) / HEIGHT)
    boxes.append((seen, steady.update(seen, frame.time_s)))

frames = list(video)
figure, axes = plt.subplots(2, 3, figsize=(8, 4), gridspec_kw={"height_ratios": [3, 4]})
for column, index in enumerate((0, 5, 10)):
    above, below = axes[:, column]
    above.imshow(frames[index].rgb)
    for box, colour, width in ((boxes[index][0], "#d55e00", 1.0), (boxes[index][1], "#0072b2", 2.0)):
        corner, size = (
            (box.left * WIDTH, box.top * HEIGHT),
            ((box.right - box.left) * WIDTH, (box.bottom - box.top) * HEIGHT),
        )
        above.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=width))
    above.set_title(f"{frames[index].time_s:.1f} s")
    below.imshow(person_square(frames[index].rgb, boxes[index][1]))
for one in axes.flat:
    one.set_axis_off()
