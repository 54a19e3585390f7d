"""State machines that monitor the camera's picture: health, viewpoint and scene cuts. No I/O, no clock."""
