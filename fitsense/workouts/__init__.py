"""Converts event logs to workouts, and writes them in the file formats of other programs."""
