"""Labelled samples: clips on disk and rendered videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from typing import Literal

import attrs

from fitsense._internal.hashing import fingerprint
from fitsense.catalogue import IDLE, load_catalogue
from fitsense.data.manifest import ClipItem
from fitsense.synthetic.figures import EXERCISES, FigureVideo, random_video
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

NO_FOLD = -1
"""Fold of samples that are never held out."""

SECONDARY = 0.5
"""Training target of a secondary muscle group."""

Kind = Literal["clip", "figure", "auxiliary", "photos"]
"""Origin of a sample: a recorded clip, a rendered figure, a clip of an auxiliary folder, a pair of photos."""

Opener = Callable[[int], AbstractContextManager[Iterable[Frame]]]


@attrs.frozen
class Sample:
    """A labelled video.

    :param key: identifies its pictures; caches depend on it.
    :param name: name in messages.
    :param group: label.
    :param scene: scene; a split never divides it.
    :param split: split of the manifest; empty for a rendered figure.
    :param source: publisher.
    :param muscles: primary muscle groups.
    :param licence: licence that the manifest states; empty for none, and for a rendered figure.
    :param answers: cells of further columns of the manifest, by column; targets of the tasks that plugins declare.
    :param muscles_secondary: secondary muscle groups; trained as half active.
    :param exercise: the label in detail, such as ``hammer_curl``; empty where there is none.
    :param kind: kind of its origin.
    :param open: opens the frames with a short side in pixels.
    """

    key: str
    name: str
    group: str
    scene: str
    fold: int
    split: str
    source: str
    muscles: frozenset[str]
    open: Opener = attrs.field(eq=False, repr=False)
    licence: str = ""
    muscles_secondary: frozenset[str] = frozenset()
    answers: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    exercise: str = ""
    kind: Kind = "clip"

    @property
    def has_muscles(self) -> bool:
        """True if its muscle groups are known; idle has none."""
        return bool(self.muscles) or self.group == IDLE

    def activation(self, group: str) -> float:
        """Training target of a muscle group: 1 for a primary one, :data:`SECONDARY` for a secondary one, else 0."""
        if group in self.muscles:
            return 1.0
        return SECONDARY if group in self.muscles_secondary else 0.0

    @property
    def stated_muscles(self) -> list[str]:
        """Primary and secondary muscle groups, as text for digests."""
        return [*sorted(self.muscles), *(f"{group} secondary" for group in sorted(self.muscles_secondary))]


def clips(items: Sequence[ClipItem]) -> list[Sample]:
    """Convert clips of a manifest to samples."""
    return [_clip(item) for item in items]


def synthetic_samples(videos: int) -> list[Sample]:
    """Render `videos` samples of each kind, each with a separate scene."""
    made = []
    for seed in range(videos):
        for exercise in (*EXERCISES, IDLE):
            video = random_video(exercise, seed)
            name = f"figure-{exercise}-{seed}"
            made.append(
                Sample(
                    key=f"{metadata.version('fitsense')} {video!r}",
                    name=name,
                    group=exercise,
                    scene=name,
                    fold=NO_FOLD,
                    split="",
                    source=name,
                    muscles=worked_by(exercise),
                    open=_rendered(video),
                    kind="figure",
                )
            )
    return made


def worked_by(group: str) -> frozenset[str]:
    """The muscle groups that an exercise works, by the catalogue; empty if the catalogue does not have it."""
    known = load_catalogue().exercises.get(group)
    return frozenset(known.muscles) if known else frozenset()


def muscle_targets(
    group: str, exercise: str, primary: Sequence[str] | None, secondary: Sequence[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Primary and secondary muscle groups of an exercise: those that a manifest states, else the catalogue's.

    :param group: its label.
    :param exercise: its label in detail, which the catalogue may know more exactly; empty for none.
    """
    if primary is not None:
        return frozenset(primary), frozenset(secondary)
    exercises = load_catalogue().exercises
    known = exercises.get(exercise) or exercises.get(group)
    return (frozenset(known.muscles), frozenset(known.assisting)) if known else (frozenset(), frozenset())


def _clip(item: ClipItem) -> Sample:
    file = item.path.resolve()
    primary, secondary = muscle_targets(item.group, item.exercise, item.muscles, item.muscles_secondary)

    def open_clip(short_side: int) -> AbstractContextManager[Iterable[Frame]]:
        return VideoSource(item.path, DecodeConfig(short_side=short_side))

    return Sample(
        key=f"{file.name} {fingerprint(file)}",
        name=str(item.path),
        group=item.group,
        scene=item.scene,
        fold=item.fold,
        split=item.split,
        source=item.source or item.scene,
        muscles=primary,
        open=open_clip,
        licence=item.licence,
        answers=item.answers,
        muscles_secondary=secondary,
        exercise=item.exercise,
    )


def _rendered(video: FigureVideo) -> Opener:
    @contextmanager
    def open_video(short_side: int) -> Iterator[Iterable[Frame]]:
        yield video

    return open_video
