"""The experiments of arXiv 2406.06703 and further ones, each run by one command."""

from fitsense.experiments import (
    channel_ratio,
    fusion_curve,
    left_out_exercise,
    left_out_sources,
    muscles_baseline,
    pretraining,
    transfer,
)
from fitsense.experiments.base import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    pretraining,
    channel_ratio,
    transfer,
    fusion_curve,
    muscles_baseline,
    left_out_exercise,
    left_out_sources,
)
"""All experiments, in the order of the command's list."""
