"""Specs of a backbone: the network, and how it gets its input, steps over a stream, and predicts landmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fitsense.plugins.specs.weights import WeightsRef
from fitsense.types import ClipSpec, FloatArray, UInt8Array

if TYPE_CHECKING:
    from torch import Tensor, nn


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
    :param evidence: function of (config, observations) that returns how much of each clip shows what the backbone looks
        for, float32 (clips,) in 0..1; see :attr:`fitsense.Scores.evidence`. None for 1.
    """

    shape: Callable[[Any], tuple[int, ...]]
    load: Callable[[Any, Mapping[str, Path], int | None], Callable[[UInt8Array], FloatArray]] | None = None
    from_poses: Callable[[Any, FloatArray], FloatArray] | None = None
    pose_estimator: str = ""
    evidence: Callable[[Any, FloatArray], FloatArray] | None = None


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
        settings per layer; None for one layer. Training on stored windows needs last layers that each take what the one
        before returns.
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
