"""Labelled clips on disk, and their frames for training and evaluation."""
