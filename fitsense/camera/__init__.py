"""Pure state machines that judge the camera's picture: health, viewpoint, scene cuts."""
