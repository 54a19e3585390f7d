"""Labelled clips on disk, and how they are looked at for training and evaluation."""
