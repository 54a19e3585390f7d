"""What hooks return.

A spec carries a callable. A callable that needs torch imports it in its body, so that registering a plugin stays
light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from fitsense.errors import InvalidInputError
from fitsense.types import Activation, ClipSpec, FloatArray, Scores, Task, UInt8Array

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fitsense.events.model import Event
    from fitsense.geometry import Detection


API_VERSION = 1
"""The version of these hooks and specs. A plugin names the one that it was written for."""

Loss = Literal["cross_entropy", "binary_cross_entropy"]


@attrs.frozen
class PluginInfo:
    """Who a plugin is.

    :param name: lower-case letters, digits and hyphens; the part before the slash in ``plugin/name``.
    :param version: the plugin's own version.
    :param api_version: the :data:`API_VERSION` that it was written for, as a number. Who says nothing wrote for the
        first.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    version: str
    api_version: int = 1
    summary: str = ""


@attrs.frozen
class WeightsRef:
    """Where a file of weights comes from.

    :param uri: an ``https://`` address, or whatever a plugin's ``fitsense_resolve_weights`` understands.
    :param sha256: hexadecimal digest of the file; None where its publisher gives none.
    :param license: SPDX id, or the publisher's words.
    :param bytes: the file's size, which ``fitsense models pull`` says before it downloads; None where it is not known.
    """

    uri: str
    sha256: str | None = None
    license: str = ""
    bytes: int | None = None


@attrs.frozen
class ObservationSpec:
    """What a backbone looks at instead of a clip's pictures, such as the landmarks of a body.

    It is computed outside of any network's graph, by numpy or a runtime of the plugin's own, never by torch. A network
    may go on from there, or the observation is all that there is to the backbone: its features.

    :param shape: gives, for a config, the shape of one clip's observation. For a network, its first axis has an entry
        for each frame, so that training can pick windows, and the network's module takes float32 of shape
        ``(clips, *shape)`` instead of pictures. Without a network, it is ``(feature_dim,)``.
    :param load: gives, for (config, files, threads), a callable from uint8 (clips, frames, height, width, 3) to
        float32 ``(clips, *shape)``. The files are the backbone's assets, by their names; threads is None for all cores.
    """

    shape: Callable[[Any], tuple[int, ...]]
    load: Callable[[Any, Mapping[str, Path], int | None], Callable[[UInt8Array], FloatArray]]


def _no_delay(config: Any) -> int:
    return 0


def _every_frame(config: Any) -> int:
    return 1


@attrs.frozen
class StreamingSpec:
    """How a network goes on frame by frame, where what it remembers is in the hands of whoever asks it.

    What it remembers is all zero at the start. The network's ``forward`` gives for a clip what stepping over the clip's
    frames, from the start, gives in the end. A session steps over each frame of a run once, so that what it remembers
    reaches further back than a clip.

    :param state: gives, for a config, the shape of each float32 array that is remembered of a stream, by a name of
        letters, digits, ``.``, ``_`` and ``-``. It is not called where there is no torch.
    :param step: gives, for (module, frame, state), the features, float32 (streams, feature_dim), and the new state. The
        module is one that ``build`` gave, the frame uint8 (streams, size, size, 3), and a state has float32
        ``(streams, *shape)`` by name. It changes nothing that it is given, and keeps nothing in the module.
    :param receptive_field: gives, for a config, how many of the newest frames features depend on.
    :param delay: gives, for a config, after how many first frames there are no features yet.
    :param stride: gives, for a config, how many frames there are from features to the next ones.
    """

    state: Callable[[Any], Mapping[str, tuple[int, ...]]]
    step: Callable[[Any, Tensor, Mapping[str, Tensor]], tuple[Tensor, Mapping[str, Tensor]]]
    receptive_field: Callable[[Any], int]
    delay: Callable[[Any], int] = _no_delay
    stride: Callable[[Any], int] = _every_frame


@attrs.frozen
class BackboneSpec:
    """What turns clips into features: a network, an observation, or a network on an observation.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: an attrs class whose every field has a default.
    :param clip: gives, for a config, the clips that it takes.
    :param feature_dim: gives, for a config, the features' length.
    :param build: gives, for a config, a torch module in eval mode. Its ``forward`` takes uint8 of shape
        (clips, frames, size, size, 3) and returns float32 of shape (clips, feature_dim).
        Whatever normalisation the network wants is inside. None where the observation is the features: then there is
        nothing to tune, and no torch to compute them.
    :param layers: gives, for a module that it built, its layers from input to output, for training that treats them
        differently; None for one layer.
    :param pretrained: gives, for a module that it built, the part that published weights fill; None for all of it.
    :param adapt_weights: renames and drops entries of a published state dict so that it fits that part.
    :param weights: published weights, by a short name such as ``kinetics400``.
    :param observation: what it looks at instead of a clip's pictures, if it does not look at these.
    :param assets: files of others that it needs to run, by a name of the plugin's choice. They are in no bundle:
        ``fitsense models pull`` fetches them.
    :param assets_name: what ``fitsense models pull`` calls them together.
    :param paper: where the method comes from.
    :param summary: one line for ``fitsense plugins``.
    :param streaming: how its network goes on frame by frame; None where it looks at whole clips alone.
    """

    name: str
    config: type[Any]
    clip: Callable[[Any], ClipSpec]
    feature_dim: Callable[[Any], int]
    build: Callable[[Any], nn.Module] | None = None
    layers: Callable[[nn.Module], Sequence[nn.Module]] | None = None
    pretrained: Callable[[nn.Module], nn.Module] | None = None
    adapt_weights: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    weights: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    observation: ObservationSpec | None = None
    assets: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    assets_name: str = ""
    paper: str = ""
    summary: str = ""
    streaming: StreamingSpec | None = None


@attrs.frozen
class HeadSpec:
    """What turns features into the scores of one task.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: the task that it answers.
    :param activation: what makes its logits probabilities.
    :param loss: what it is trained with, on logits.
    :param build: gives, for (config, feature_dim, labels), a torch module from float32 (clips, feature_dim)
        to logits, float32 (clips, labels).
    :param config: an attrs class whose every field has a default.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    task: Task
    activation: Activation
    loss: Loss
    build: Callable[[Any, int, tuple[str, ...]], nn.Module]
    config: type[Any]
    summary: str = ""


@attrs.frozen
class DerivedHeadSpec:
    """What answers one task from another task's scores, without features and without torch.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: the task that it answers.
    :param from_task: the task whose scores it reads.
    :param derive: gives the scores of ``task`` for (config, scores of ``from_task``, labels).
    :param config: an attrs class whose every field has a default.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    task: Task
    from_task: Task
    derive: Callable[[Any, Scores, tuple[str, ...]], Scores]
    config: type[Any]
    summary: str = ""


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen
class Cascade:
    """Some members of a fusion are asked first, and the others only where these leave doubt.

    :param first: their names.
    :param threshold: above which confidence of what these say together the others are not asked, in 0..1: at 0 they
        never are, at 1 always. Confidence is the calibrated probability of the likeliest label, or, where any number of
        labels hold, how probably the least sure one is told rightly.
    """

    first: tuple[str, ...] = attrs.field(converter=_names)
    threshold: float = attrs.field(converter=float)

    @first.validator
    def _some(self, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
        if not value:
            raise InvalidInputError("Cascade.first: expected at least one name, got none")

    @threshold.validator
    def _in_range(self, attribute: attrs.Attribute[Any], value: float) -> None:
        if not 0 <= value <= 1:
            raise InvalidInputError(f"Cascade.threshold: expected a number in 0..1, got {value!r}")


@attrs.frozen
class FusionSpec:
    """What makes one prediction of several branches' predictions, for one task at a time.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param fuse: gives the fused scores for (config, scores by branch name); branches agree on task and labels.
    :param fit: gives a config whose parameters were chosen for (config, scores by branch name, targets);
        targets are int64 (clips,) label indices for softmax, float32 (clips, labels) for sigmoid.
        None where there is nothing to fit.
    :param config: an attrs class whose every field has a default.
    :param min_branches: fewest branches that it takes.
    :param summary: one line for ``fitsense plugins``.
    :param cascade: gives, for a config, which branches are asked first, or None where all are asked at once. Then
        ``fuse`` is given those of some clips alone, and all branches of the clips where these leave doubt.
    """

    name: str
    fuse: Callable[[Any, Mapping[str, Scores]], Scores]
    config: type[Any]
    fit: Callable[[Any, Mapping[str, Scores], Any], Any] | None = None
    min_branches: int = 1
    summary: str = ""
    cascade: Callable[[Any], Cascade | None] | None = None


@attrs.frozen
class DetectorSpec:
    """What finds the people in a picture. Who is who from one picture to the next is not its affair: fitsense follows.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: an attrs class whose every field has a default.
    :param load: gives, for (config, files, threads), a callable from a picture, uint8 (height, width, 3), to whoever
        is in it, in any order. It remembers nothing between calls. The files are the assets, by their names; threads
        is None for all cores.
    :param assets: files of others that it needs to run, by a name of the plugin's choice; ``fitsense models pull``
        fetches them.
    :param assets_name: what ``fitsense models pull`` calls them together.
    :param paper: where the method comes from.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    load: Callable[[Any, Mapping[str, Path], int | None], Callable[[UInt8Array], Sequence[Detection]]]
    assets: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    assets_name: str = ""
    paper: str = ""
    summary: str = ""


class Sink(Protocol):
    """Where events go: what ``open`` of a :class:`SinkSpec` gives.

    One thread calls it, which is neither a session's nor the program's, one call after the other. So it may block;
    but a program that ends waits for it, so a call should give up after some seconds of its own accord.
    """

    def send(self, events: Sequence[Event]) -> None:
        """Deliver events in this order, and return when the receiver has them all.

        What fails is sent again as a whole, and what is refused event by event, so that a receiver may get one twice.

        :param events: from one to as many as the spec's ``batch`` allows.
        :raises DeliveryError: they were not delivered; it says whether to try again, and how soon.
        :raises OSError: they were not delivered; they are tried again. Anything else that is raised is logged as a
            fault of the sink, and the events count as refused.
        """

    def close(self) -> None:
        """Free what it holds. The last call, once; it comes in the same thread."""


def _one_event(config: Any) -> int:
    return 1


@attrs.frozen
class SinkSpec:
    """What hands events on to a receiver elsewhere. fitsense keeps the queue, tries again, and counts.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: an attrs class whose every field has a default. Where the receiver has an address, the field ``url``
        holds it. It holds no secrets, but says which environment variable or file does.
    :param open: gives, for a config, a sink. It checks what can be checked without the receiver, reads secrets, and
        raises :class:`InvalidInputError` or :class:`MissingExtraError`; it does not connect, which is for ``send``.
    :param batch: gives, for a config, how many events ``send`` takes at once, at most.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    open: Callable[[Any], Sink]
    batch: Callable[[Any], int] = _one_event
    summary: str = ""


@attrs.frozen
class EventSchema:
    """The JSON Schema of an event that a plugin's host program emits beside fitsense's own.

    :param type: the event's type, ``<plugin name>.<something>``.
    :param schema: a JSON Schema 2020-12 whose ``$id`` starts with ``urn:fitsense:plugin:<plugin name>:``.
    """

    type: str
    schema: Mapping[str, Any]
