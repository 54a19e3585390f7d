"""Trained branches and their outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from numpy.typing import NDArray

from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import BranchEntry, Calibration, FusionEntry, Labels, Manifest
from fitsense.data.frames import Recording
from fitsense.data.manifest import Skipped
from fitsense.export.onnx import export_branch
from fitsense.types import FloatArray

if TYPE_CHECKING:
    from torch import nn

Outputs = Mapping[str, FloatArray]
"""Features, logits and evidence of a branch for the windows of a sample, (views, ...) by name."""


@attrs.frozen(eq=False)
class TrainedBranch:
    """A trained branch and its outputs.

    :param module: from the branch's inputs to its outputs.
    :param outputs: its outputs for all readable samples, by key.
    """

    module: nn.Module
    outputs: Mapping[str, Outputs]


@attrs.frozen(eq=False)
class FittedBranch:
    """A branch of a bundle: trained on everything, and without each partition's held-out clips.

    :param entry: the branch's entry in the bundle.
    :param final: the branch in the bundle: trained on everything, unless its recipe says otherwise.
    :param out_of_fold: outputs for samples by the branch that was trained without them, by key.
    :param folds: the branches that gave these outputs, by partition's name.
    :param recordings: pictures or observations of all readable samples, by key; none for a frozen branch.
    :param skipped: samples that cannot be read.
    :param traced: graphs exported so far, as :func:`export_branch` keeps them.
    :param statistics: what teaching its exercise head needs; empty if it cannot be taught.
    """

    entry: BranchEntry
    final: TrainedBranch
    out_of_fold: Mapping[str, Outputs]
    folds: Mapping[str, TrainedBranch]
    recordings: Mapping[str, Recording]
    skipped: Sequence[Skipped]
    traced: dict[str, Any]
    statistics: Mapping[str, NDArray[Any]] = attrs.field(factory=dict)


@contextmanager
def temporary_bundle(
    module: nn.Module, entry: BranchEntry, labels: Labels, fusion: str, traced: dict[str, Any] | None = None
) -> Iterator[Bundle]:
    """A bundle of this branch alone, deleted afterwards: the same graph that sessions run on clips."""
    entry = attrs.evolve(entry, stream=None)
    with tempfile.TemporaryDirectory(prefix="fitsense-branch-") as name:
        folder = Path(name)
        export_branch(module, entry, folder, traced=traced)
        yield save(
            folder,
            Manifest(
                name="branch",
                version="0",
                licence="",
                labels=labels,
                branches=(entry,),
                fusion={head.task: FusionEntry(fusion, {}) for head in entry.heads},
                calibration=Calibration(1.0, 0.5, 0.5),
            ),
        )
