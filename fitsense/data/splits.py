"""Distribution of scenes over splits and folds; all clips of a scene stay together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from fitsense.data.manifest import FOLDS
from fitsense.data.scene_groups import components, sharing

PartT = TypeVar("PartT", str, int)


class Placed(Protocol):
    """A sample with a scene and a source."""

    @property
    def scene(self) -> str: ...

    @property
    def source(self) -> str: ...


def spread(
    clips: Iterable[tuple[str, str]],
    shares: Mapping[PartT, float],
    seed: int = 0,
    *,
    given: Mapping[str, PartT] | None = None,
    first: PartT | None = None,
) -> dict[str, PartT]:
    """The part that each scene goes to, so that of every class each part gets about its share of clips.

    It depends on nothing but the arguments, and not on their order. Scenes of rare classes are placed first, large ones
    before small ones, each where it leaves the least squared deviation from the shares.

    :param clips: scene and class of each clip.
    :param shares: what each part should get; they add up to 1.
    :param seed: another one gives other parts.
    :param given: scenes that have their part already.
    :param first: a part that gets a scene of every class before the others do.
    """
    given = given or {}
    scenes: dict[str, Counter[str]] = {}
    for scene, label in sorted(clips):
        scenes.setdefault(scene, Counter())[label] += 1
    # What is given to a part that has no share is no part of the whole.
    counted = {scene: labels for scene, labels in scenes.items() if given.get(scene, next(iter(shares))) in shares}
    total = sum(counted.values(), Counter[str]())
    rarity = Counter(label for labels in counted.values() for label in labels)
    have = {part: Counter[str]() for part in shares}

    def cost(part: PartT, labels: Counter[str]) -> float:
        """By how much the squared deviations grow: of each class, and of all clips that are placed by then."""
        excess = sum(
            n * (2 * (have[part][label] - shares[part] * total[label]) + n) / total[label] ** 2
            for label, n in labels.items()
        )
        n, placed = labels.total(), sum(labels.total() for labels in have.values())
        return excess + n * (2 * (have[part].total() - shares[part] * (placed + n)) + n) / total.total() ** 2

    def order(scene: str) -> tuple[int, int, bytes]:
        labels = scenes[scene]
        chance = hashlib.sha256(f"{seed} {scene}".encode()).digest()
        return min(rarity[label] for label in labels), -labels.total().bit_length(), chance

    result = {scene: given[scene] for scene in scenes if scene in given}
    for scene in result.keys() & counted.keys():
        have[given[scene]] += scenes[scene]
    for scene in sorted(scenes.keys() - result.keys(), key=order):
        labels = scenes[scene]
        if first is not None and any(not have[first][label] for label in labels):
            part = first
        else:
            part = min(shares, key=lambda part: cost(part, labels))
        result[scene] = part
        have[part] += labels
    return result


def folds_by(items: Sequence[Placed], key: Literal["scene", "source"], folds: int = FOLDS) -> list[int]:
    """A fold for each of `items`, so that no scene, or no source, is in two; folds get about as many clips each.

    Sources that share a scene, as reposted footage does, stay together. Where a source is not known, the scene counts
    as one of its own. It does not depend on the order of `items`.
    """
    pairs = list(sharing([item.scene for item in items]))
    if key == "source":
        pairs += sharing([item.source for item in items])
    groups = components(len(items), pairs)
    names: dict[int, str] = {}
    for group, item in zip(groups, items, strict=True):
        names[group] = min(item.scene, names.get(group, item.scene))
    sizes = Counter(groups)
    filled, placed = [0] * folds, {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], names[group])):
        placed[group] = fold = min(range(folds), key=filled.__getitem__)
        filled[fold] += sizes[group]
    return [placed[group] for group in groups]
