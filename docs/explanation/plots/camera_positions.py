"""Good and bad positions of a camera, rendered: the deepest point of a squat."""

import matplotlib.pyplot as plt

from fitsense.synthetic.rendering import Appearance, Camera, Renderer
from fitsense.synthetic.skeleton import Proportions, squat

SIZE = (240, 180)
GOOD, BAD = "#0072b2", "#d55e00"
# Title, camera, brightness, whether it is good.
POSITIONS = [
    ("obliquely from the front", Camera(), 1.0, True),
    ("from the side", Camera(azimuth_deg=90.0), 1.0, True),
    ("a little from above", Camera(elevation_deg=28.0), 1.0, True),
    ("too near: feet cut off", Camera(distance_m=1.7, target=(0.0, 1.0, 0.0)), 1.0, False),
    ("too far away", Camera(distance_m=16.0), 1.0, False),
    ("beside the middle", Camera(azimuth_deg=20.0, target=(1.25, 0.8, 0.0)), 1.0, False),
    ("from straight above", Camera(elevation_deg=80.0), 1.0, False),
    ("hardly any light", Camera(), 0.15, False),
]

figure, axes = plt.subplots(2, 4, figsize=(7.5, 3.6))
body = Proportions()
for place, (title, camera, brightness, good) in zip(axes.flat, POSITIONS, strict=True):
    picture = Renderer(camera, Appearance(), SIZE, seed=7).draw(squat(body, 1.0))
    place.imshow((picture * brightness).astype("uint8"))
    place.set_title(("✓ " if good else "✗ ") + title, fontsize=7, color=GOOD if good else BAD)
    place.set(xticks=[], yticks=[])
    for spine in place.spines.values():
        spine.set(visible=True, color=GOOD if good else BAD, linewidth=2)
