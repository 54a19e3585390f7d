"""Merging of graphs with the same input, so that shared parts are computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

import openvino as ov

# Nodes of these types can differ despite equal inputs and attributes: they contain graphs, state or randomness.
_UNLIKE = frozenset(
    {"Parameter", "Result", "If", "Loop", "TensorIterator", "ReadValue", "Assign", "RandomUniform", "Multinomial"}
)


def join(models: Sequence[ov.Model]) -> ov.Model:
    """Merge models with one input each, of the same shape and type.

    Of nodes with the same operation, attributes and inputs one is kept; constants are the same if their contents are.
    So branches on one frozen trunk cost one trunk. Outputs are those of the first model, then those of the second, and
    so on.

    :param models: the models, which are modified; at least one.
    """
    parameter = models[0].get_parameters()[0]
    kept = _Kept()
    for model in models:
        for node in model.get_parameters():
            node.output(0).replace(parameter.output(0))
        # In topological order, so that the inputs of a node precede it.
        for node in model.get_ordered_ops():
            twin = kept.twin(node)
            if twin is not None:
                for output, same in zip(node.outputs(), twin.outputs(), strict=True):
                    output.replace(same)
    results = [result for model in models for result in model.get_results()]
    return ov.Model(results, [parameter], "+".join(model.get_friendly_name() for model in models))


class _Kept:
    """The distinct nodes so far."""

    def __init__(self) -> None:
        self._alike: dict[Hashable, list[ov.Node]] = {}
        # The first node equal to the node of a name; and the nodes that depend on no input.
        self._firsts: dict[str, str] = {}
        self._fixed: set[str] = set()

    def twin(self, node: ov.Node) -> ov.Node | None:
        """The node that replaces `node`; None if it is the first of its kind."""
        name, sources = node.get_name(), [value.get_node().get_name() for value in node.input_values()]
        self._firsts[name] = name
        if node.get_type_name() in _UNLIKE:
            return None
        if self._fixed.issuperset(sources):
            self._fixed.add(name)
        alike = self._alike.setdefault(self._likeness(node), [])
        twin = next((other for other in alike if other.get_attributes() == node.get_attributes()), None)
        if twin is None:
            alike.append(node)
            return None
        self._firsts[name] = twin.get_name()
        # Weights stay separate, as in each graph: OpenVINO's CPU plugin confuses two layers that read one constant
        # differently, such as one of them transposed.
        return None if name in self._fixed else twin

    def _likeness(self, node: ov.Node) -> Hashable:
        """Key that equal nodes share, in addition to their attributes."""
        if node.get_type_name() == "Constant":
            return "Constant", hashlib.sha256(node.get_data().tobytes()).digest()
        sources = tuple((self._firsts[value.get_node().get_name()], value.get_index()) for value in node.input_values())
        return str(node.get_type_info()), sources
