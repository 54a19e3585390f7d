"""Rendered people: videos with known exercises and repetitions."""
