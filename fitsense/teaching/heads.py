"""Exercise heads of a bundle that can be taught: their tensors, and these with one label more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_from_json
from fitsense._internal.tensor_file import read_tensors
from fitsense.bundles.bundle import Bundle, shipped
from fitsense.bundles.manifest import BranchEntry, HeadEntry
from fitsense.errors import BundleError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import HeadSpec, HeadTeaching, LabelExamples
from fitsense.types import FloatArray

Tensors = Mapping[str, NDArray[Any]]

PREFIX = "heads.exercise."
"""Of the names of an exercise head's tensors in the file of weights."""


@attrs.frozen(eq=False)
class TeachableHead:
    """The exercise head of a branch.

    :param branch: its branch.
    :param teaching: functions of its spec.
    :param config: its configuration.
    :param tensors: those of its module, by name.
    """

    branch: BranchEntry
    teaching: HeadTeaching
    config: Any
    tensors: Tensors

    def logits(self, features: FloatArray) -> FloatArray:
        """Logits of windows, float32 (windows, labels)."""
        return np.asarray(self.teaching.logits(self.config, self.tensors, features), np.float32)

    def with_label(self, statistics: Tensors, examples: LabelExamples, position: int) -> TeachableHead:
        """The head with one label more, at a position among the labels."""
        return attrs.evolve(
            self, tensors=self.teaching.add_label(self.config, self.tensors, statistics, examples, position)
        )

    def shifted(self, position: int, amount: float) -> TeachableHead:
        """The head with an amount added to the logit of the label at a position."""
        return attrs.evolve(self, tensors=self.teaching.shift(self.config, self.tensors, position, amount))

    def held_out(self, statistics: Tensors, examples: LabelExamples, position: int) -> FloatArray:
        """Logits of each window by a head that is taught from the other clips alone.

        :returns: float32 (windows, labels) with the new label; NaN if there is only one clip.
        """
        clips = np.unique(examples.clips)
        width = self.logits(examples.features[:1]).shape[1] + 1
        result = np.full((len(examples.clips), width), np.nan, np.float32)
        for clip in clips if len(clips) > 1 else ():
            own = examples.clips == clip
            others = LabelExamples(examples.features[~own], examples.clips[~own])
            result[own] = self.with_label(statistics, others, position).logits(examples.features[own])
        return result


def teachable_heads(bundle: Bundle, plugins: PluginManager) -> dict[str, TeachableHead]:
    """The exercise heads of a bundle, by branch.

    :raises BundleError: the bundle has no statistics for teaching, or a head that cannot be taught.
    """
    manifest = bundle.manifest
    if manifest.teaching is None:
        able = [name for name in shipped() if Bundle.load(name).manifest.teaching]
        raise BundleError(
            f"{manifest.name}: expected a bundle that can be taught, got one without statistics for teaching; of those "
            f"that come with fitsense, {', '.join(able) or 'none'} can be, and so can a bundle that fitsense train "
            "makes with frozen branches and the exercise heads heads/discriminant, heads/network or "
            "heads/linear_exercise"
        )
    heads = {}
    for branch in manifest.branches:
        for entry in branch.heads:
            if entry.task == "exercise":
                heads[branch.name] = _head(bundle, branch, entry, plugins)
    return heads


def _head(bundle: Bundle, branch: BranchEntry, entry: HeadEntry, plugins: PluginManager) -> TeachableHead:
    spec = plugins.head(entry.head)
    if not isinstance(spec, HeadSpec) or spec.teaching is None:
        raise BundleError(
            f"{bundle.manifest.name}: branch {branch.name}: expected a head that can be taught, such as "
            f"heads/discriminant, got {entry.head}"
        )
    try:
        weights = read_tensors(bundle.path(branch.weights))
    except ValueError as error:
        raise BundleError(f"{bundle.manifest.name}: branch {branch.name}: {error}") from error
    tensors = {name.removeprefix(PREFIX): array for name, array in weights.items() if name.startswith(PREFIX)}
    return TeachableHead(branch, spec.teaching, config_from_json(spec.config, entry.config, entry.head), tensors)
