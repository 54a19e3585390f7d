"""Workouts out of event logs, written as files that other programs read."""
