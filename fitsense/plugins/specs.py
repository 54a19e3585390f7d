"""Specs: the contributions that hooks return.

Specs contain callables. A callable that needs torch imports it in its body, so that registering a plugin is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.validators import number
from fitsense.errors import InvalidInputError
from fitsense.plugins.tasks import Loss
from fitsense.pose.landmarks import LandmarkSet
from fitsense.types import ClipSpec, FloatArray, Scores, Task, UInt8Array

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fitsense.events.model import Event
    from fitsense.geometry import Detection
    from fitsense.pose.landmarks import BodyDetection, BodyRegion, Pose


API_VERSION = 1
"""Version of the hooks and specs. Each plugin states the one for which it was written."""


@attrs.frozen
class PluginInfo:
    """Identity of a plugin.

    :param name: lower-case letters, digits and hyphens; the part before the slash in ``plugin/name``.
    :param version: version of the plugin.
    :param api_version: the :data:`API_VERSION` for which it was written, as a literal number.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    version: str
    api_version: int = 1
    summary: str = ""


@attrs.frozen
class WeightsRef:
    """Origin of a file, such as published weights.

    :param uri: an ``https://`` address, or another form that a plugin's ``fitsense_resolve_weights`` resolves.
    :param sha256: hexadecimal digest of the file; None if its publisher gives none.
    :param license: SPDX identifier, or the publisher's text.
    :param bytes: size of the file, which ``fitsense models pull`` states before it downloads; None if unknown.
    """

    uri: str
    sha256: str | None = None
    license: str = ""
    bytes: int | None = None


@attrs.frozen
class ObservationSpec:
    """Input of a backbone that is computed from a clip's pictures or from the poses of the person in them.

    It is computed outside the network's graph, by NumPy or by a runtime of the plugin, never by torch. It is the input
    of the backbone's network or, without a network, the features. Give either `load` or `from_poses`.

    :param shape: function of a config that returns the shape of one clip's observation. With a network, the first axis
        has one entry per frame, so that training can select windows, and the network takes float32 of shape
        ``(clips, *shape)`` instead of pictures. Without a network, the shape is ``(feature_dim,)``.
    :param load: function of (config, files, threads) that returns a callable from uint8 (clips, frames, height, width,
        3) to float32 ``(clips, *shape)``. Files are the backbone's assets by name; threads is None for all cores.
    :param from_poses: function of (config, poses) that returns float32 ``(clips, *shape)``. Poses are float32 (clips,
        frames, landmarks, 6) with the columns of :attr:`fitsense.Pose.landmarks`; x and y are shares of the side of the
        clip's square picture, and all columns are NaN in a frame without a person. It depends on nothing else,
        and each clip's observation on that clip's poses alone. fitsense finds the poses: once for a frame of a session,
        however many windows contain it.
    :param pose_estimator: full name of the pose estimator whose landmarks `from_poses` takes, such as
        ``pose/blazepose``.
    """

    shape: Callable[[Any], tuple[int, ...]]
    load: Callable[[Any, Mapping[str, Path], int | None], Callable[[UInt8Array], FloatArray]] | None = None
    from_poses: Callable[[Any, FloatArray], FloatArray] | None = None
    pose_estimator: str = ""


def _no_delay(config: Any) -> int:
    return 0


def _every_frame(config: Any) -> int:
    return 1


@attrs.frozen
class StreamingSpec:
    """Frame-by-frame execution of a network, with state that the caller keeps.

    The initial state is zero. The network's ``forward`` returns for a clip the features after stepping over its frames
    from the initial state. A session steps over each frame of a run once, so that its state covers more than a clip.

    :param state: function of a config that returns the shape of each float32 array of a stream's state, by a name of
        letters, digits, ``.``, ``_`` and ``-``. Not called without torch.
    :param step: function of (module, frame, state) that returns the features, float32 (streams, feature_dim), and the
        new state. The module comes from ``build``, the frame is uint8 (streams, size, size, 3), and a state maps names
        to float32 ``(streams, *shape)``. It must not modify its arguments, or store anything in the module.
    :param receptive_field: function of a config that returns the number of newest frames on which features depend.
    :param delay: function of a config that returns the number of first frames without features.
    :param stride: function of a config that returns the number of frames from one set of features to the next.
    """

    state: Callable[[Any], Mapping[str, tuple[int, ...]]]
    step: Callable[[Any, Tensor, Mapping[str, Tensor]], tuple[Tensor, Mapping[str, Tensor]]]
    receptive_field: Callable[[Any], int]
    delay: Callable[[Any], int] = _no_delay
    stride: Callable[[Any], int] = _every_frame


@attrs.frozen
class LandmarkSpec:
    """Body landmarks that a backbone predicts in training, where another branch teaches it where they are.

    They are those of :data:`fitsense.nn.landmarks.LANDMARKS`, in that order. Bundles and sessions do not use them.

    :param forward: gives, for (module, clips), the features that the module itself gives for the clips, float32
        (clips, feature_dim), and the landmarks, float32 (clips, frames, 19, 6): x and y in units of the picture's side
        from its middle, x, y and z in metres from the middle of the hips, and visibility. The module is one that
        ``build`` gave, in training or in eval mode; clips are as for the module itself.
    """

    forward: Callable[[Any, Tensor], tuple[Tensor, Tensor]]


@attrs.frozen
class BackboneSpec:
    """Turns clips into features: a network, an observation, or a network on an observation.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: attrs class; every field has a default.
    :param clip: function of a config that returns the specification of the input clips.
    :param feature_dim: function of a config that returns the length of the features.
    :param build: function of a config that returns a torch module in eval mode. Its ``forward`` takes uint8 of shape
        (clips, frames, size, size, 3) and returns float32 of shape (clips, feature_dim).
        It includes the normalisation. None if the observation is the features; then training does not tune the
        backbone, and it runs without torch.
    :param layers: function of a built module that returns its layers from input to output, for training with different
        settings per layer; None for one layer.
    :param pretrained: function of a built module that returns the part that published weights fill; None for all of it.
    :param adapt_weights: renames and drops entries of a published state dict to fit that part.
    :param weights: published weights, by a short name such as ``kinetics400``.
    :param observation: input computed from the pictures; None for the pictures themselves.
    :param assets: third-party files that the backbone needs to run, by name. Bundles do not contain them:
        ``fitsense models pull`` fetches them.
    :param assets_name: name of the assets for ``fitsense models pull``.
    :param paper: publication of the method.
    :param summary: one line for ``fitsense plugins``.
    :param streaming: frame-by-frame execution of the network; None for whole clips only.
    :param landmarks: prediction of landmarks beside the features, by which the network learns from a landmark teacher;
        None for a network without it.
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
    landmarks: LandmarkSpec | None = None


@attrs.frozen(eq=False)
class HeadExamples:
    """Training examples of a head with a closed-form fit.

    :param features: float32 (windows, feature_dim).
    :param targets: int64 (windows,) indices of labels, or float32 (windows, labels) graded from 0 to 1.
    :param weights: weight of each window, float64 (windows,), of any sum.
    :param variants: int64 (windows,): which variant of its label a window shows, or -1 where labels have none.
    """

    features: FloatArray
    targets: NDArray[Any]
    weights: NDArray[np.float64]
    variants: NDArray[np.int64]

    def select(self, chosen: NDArray[np.bool_]) -> HeadExamples:
        """Some of the windows, bool (windows,)."""
        return HeadExamples(self.features[chosen], self.targets[chosen], self.weights[chosen], self.variants[chosen])


@attrs.frozen(eq=False)
class LabelExamples:
    """Examples of one label that a head is taught.

    :param features: float32 (windows, feature_dim).
    :param clips: int64 (windows,): which clip a window is of.
    """

    features: FloatArray
    clips: NDArray[np.int64]


@attrs.frozen
class HeadTeaching:
    """Teaching of further labels to a fitted head, by arrays alone, without torch.

    A head's tensors are those of its module's state dict, by name. A new label only adds a row to some of them.

    :param statistics: function of (config, tensors, examples, seen) that returns what ``add_label`` needs, by name: of
        the :class:`HeadExamples` that the head was fitted on, and of windows of the same clips as sessions see them,
        which may differ where training varies windows. A bundle ships it: it should be small.
    :param add_label: function of (config, tensors, statistics, :class:`LabelExamples`, position) that returns the
        tensors of the head with a row more for a label at that position among the labels.
    :param shift: function of (config, tensors, position, amount) that returns the tensors of a head that adds an amount
        to the logit of the label at a position.
    :param logits: function of (config, tensors, features) that returns what the module does, float32
        (windows, labels).
    """

    statistics: Callable[[Any, Mapping[str, NDArray[Any]], HeadExamples, HeadExamples], Mapping[str, NDArray[Any]]]
    add_label: Callable[
        [Any, Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]], LabelExamples, int], Mapping[str, NDArray[Any]]
    ]
    shift: Callable[[Any, Mapping[str, NDArray[Any]], int, float], Mapping[str, NDArray[Any]]]
    logits: Callable[[Any, Mapping[str, NDArray[Any]], FloatArray], FloatArray]


@attrs.frozen
class HeadSpec:
    """Turns features into the scores of one task.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: name of the task: ``exercise``, ``muscles``, or one that a plugin declares with ``fitsense_tasks``.
        Its :class:`TaskSpec` states the activation.
    :param build: function of (config, feature_dim, labels) that returns a torch module from float32
        (clips, feature_dim) to logits, float32 (clips, labels).
    :param config: attrs class; every field has a default.
    :param summary: one line for ``fitsense plugins``.
    :param fit: function of (config, :class:`HeadExamples`, labels) that fits a head on a frozen backbone in closed
        form, and returns the config, with what the examples determine, and the module that ``build`` gives for it with
        its weights. None to minimise the loss by gradient descent.
    :param loss: training loss, on logits; None for the task's.
    :param teaching: how further labels are taught to a fitted head; None for a head that cannot be taught. Needs `fit`.
    """

    name: str
    task: Task
    build: Callable[[Any, int, tuple[str, ...]], nn.Module]
    config: type[Any]
    summary: str = ""
    fit: Callable[[Any, HeadExamples, tuple[str, ...]], tuple[Any, nn.Module]] | None = None
    loss: Loss | None = None
    teaching: HeadTeaching | None = None


@attrs.frozen
class DerivedHeadSpec:
    """Derives the scores of one task from those of another, without features and without torch.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: the task.
    :param from_task: the task whose scores are the input.
    :param derive: function of (config, scores of ``from_task``, labels) that returns the scores of ``task``.
    :param config: attrs class; every field has a default.
    :param summary: one line for ``fitsense plugins``.
    :param add_label: function of (config, label of ``from_task``, labels of ``task``) that returns the config of a head
        that knows that this label goes with these; None if a further label changes nothing.
    """

    name: str
    task: Task
    from_task: Task
    derive: Callable[[Any, Scores, tuple[str, ...]], Scores]
    config: type[Any]
    summary: str = ""
    add_label: Callable[[Any, str, tuple[str, ...]], Any] | None = None


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen
class Cascade:
    """Runs some members of a fusion first, and the others only if these are uncertain.

    :param first: names of the first members; at least one.
    :param threshold: confidence of the first members' fused scores, in 0..1, above which the others do not run: at 0
        they never run, at 1 always. Confidence is the calibrated probability of the most likely label or, for
        multi-label tasks, the lowest probability that a label is classified correctly.
    """

    first: tuple[str, ...] = attrs.field(converter=_names)
    threshold: float = attrs.field(validator=number(0.0, 1.0), converter=float)

    @first.validator
    def _check_first(self, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
        if not value:
            raise InvalidInputError("Cascade.first: expected at least one name, got none")


@attrs.frozen
class FusionSpec:
    """Combines the scores of several branches for one task.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param fuse: function of (config, scores by branch name) that returns the fused scores. fitsense checks before that
        there is at least one branch, and that all have the same task, labels, activation and number of clips.
    :param fit: function of (config, scores by branch name, targets) that returns a config with fitted parameters;
        targets are int64 (clips,) label indices for softmax, float32 (clips, labels) for sigmoid.
        None if there is nothing to fit.
    :param config: attrs class; every field has a default.
    :param min_branches: minimum number of branches.
    :param summary: one line for ``fitsense plugins``.
    :param cascade: function of a config that returns the cascade, or None to run all branches. With a cascade, ``fuse``
        gets the scores of the first branches alone, and those of all branches for the uncertain clips.
    :param is_average: whether fused scores lie between those of the branches, in logits or in probabilities; the
        conformance kit tests it. False for a fusion that may be surer, or less sure, than all of its branches.
    """

    name: str
    fuse: Callable[[Any, Mapping[str, Scores]], Scores]
    config: type[Any]
    fit: Callable[[Any, Mapping[str, Scores], Any], Any] | None = None
    min_branches: int = 1
    summary: str = ""
    cascade: Callable[[Any], Cascade | None] | None = None
    is_average: bool = True


@attrs.frozen
class DetectorSpec:
    """Finds the people in a picture. Detection only; fitsense does the tracking.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: attrs class; every field has a default.
    :param load: function of (config, files, threads) that returns a callable from a picture, uint8 (height, width, 3),
        to detections in any order, without state between calls. Files are the assets by name; threads is None for all
        cores.
    :param assets: third-party files that the detector needs to run, by name; ``fitsense models pull`` fetches them.
    :param assets_name: name of the assets for ``fitsense models pull``.
    :param paper: publication of the method.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    load: Callable[[Any, Mapping[str, Path], int | None], Callable[[UInt8Array], Sequence[Detection]]]
    assets: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    assets_name: str = ""
    paper: str = ""
    summary: str = ""


class PoseEstimator(Protocol):
    """Finds bodies and their landmarks in single pictures: what ``load`` of a :class:`PoseEstimatorSpec` gives.

    It remembers nothing between calls, changes nothing that it is given, and may be called from several threads at
    once. fitsense tracks people from picture to picture.
    """

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        """Find the bodies in a picture, in any order.

        :param picture: uint8 (height, width, 3), RGB, of any size.
        """

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        """Find the landmarks of one body in each region.

        :param pictures: one for each region; the same picture may come several times.
        :param regions: from ``detect``, from a :class:`fitsense.Pose` of the picture before, or the host's own.
        :returns: one for each region; None where there is no body.
        """


@attrs.frozen
class PoseEstimatorSpec:
    """Estimator of body landmarks in pictures.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: an attrs class whose every field has a default.
    :param landmark_set: the landmarks that it finds, in the order of the rows of :attr:`fitsense.Pose.landmarks`.
    :param load: gives, for (config, files, threads), the estimator. The files are the assets, by their names; threads
        is None for all cores.
    :param assets: files of others that it needs to run, by a name of the plugin's choice; ``fitsense models pull``
        fetches them.
    :param assets_name: what ``fitsense models pull`` calls them together.
    :param paper: where the method comes from.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    landmark_set: LandmarkSet
    load: Callable[[Any, Mapping[str, Path], int | None], PoseEstimator]
    assets: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    assets_name: str = ""
    paper: str = ""
    summary: str = ""


class Sink(Protocol):
    """Destination of events; returned by ``open`` of a :class:`SinkSpec`.

    A delivery thread makes all calls, one after the other, so that calls may block. A program that ends waits for the
    running call, so each call should time out after some seconds.
    """

    def send(self, events: Sequence[Event]) -> None:
        """Deliver events in order; return when the receiver has them all.

        A failed batch is sent again as a whole, a refused one event by event, so that a receiver may get events twice.

        :param events: at least one, at most as many as the spec's ``batch`` allows.
        :raises DeliveryError: the events were not delivered; says whether and when to retry.
        :raises OSError: the events were not delivered, and are retried. Any other error is logged as a fault of the
            sink, and the events count as refused.
        """

    def close(self) -> None:
        """Free resources. The last call, made once, in the same thread."""


def _one_event(config: Any) -> int:
    return 1


@attrs.frozen
class SinkSpec:
    """Delivers events to a receiver. fitsense does the queuing, retries and counting.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: attrs class; every field has a default. The field ``url`` holds the receiver's address, if it
        has one. Secrets are not in it, but in environment variables or files that it names.
    :param open: function of a config that returns a sink. It checks what it can without the receiver, reads secrets,
        and raises :class:`InvalidInputError` or :class:`MissingExtraError`; it does not connect, ``send`` does.
    :param batch: function of a config that returns the largest number of events for one ``send``.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    open: Callable[[Any], Sink]
    batch: Callable[[Any], int] = _one_event
    summary: str = ""


@attrs.frozen
class EventSchema:
    """JSON Schema of an event that the plugin adds to sessions, as a :class:`PluginEvent`.

    :param type: type of the event, ``<plugin name>.<something>``.
    :param schema: a JSON Schema 2020-12 whose ``$id`` starts with ``urn:fitsense:plugin:<plugin name>:``. It may refer
        to the schemas of fitsense by their ``$id``.
    """

    type: str
    schema: Mapping[str, Any]


@attrs.frozen
class PluginEvent:
    """Event that an observer adds to a session.

    :param type: a type whose schema the plugin registered.
    :param data: a JSON object that obeys the schema.
    """

    type: str
    data: Mapping[str, Any]
