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
    """Distribute scenes over parts, so that each part gets about its share of the clips of every class.

    The result depends only on the arguments, and not on the order of clips. Scenes of rare classes are placed first,
    large before small ones, each into the part with the smallest squared deviation from the shares.

    :param clips: scene and class of each clip.
    :param shares: share of each part; they add up to 1.
    :param seed: seed of the order of similar scenes.
    :param given: parts of scenes that are placed already.
    :param first: part that gets a scene of every class before the others do.
    :return: part by scene.
    """
    given = given or {}
    scenes: dict[str, Counter[str]] = {}
    for scene, label in sorted(clips):
        scenes.setdefault(scene, Counter())[label] += 1
    # Scenes that are given to a part without a share do not count.
    counted = {scene: labels for scene, labels in scenes.items() if given.get(scene, next(iter(shares))) in shares}
    total = sum(counted.values(), Counter[str]())
    rarity = Counter(label for labels in counted.values() for label in labels)
    have = {part: Counter[str]() for part in shares}

    def cost(part: PartT, labels: Counter[str]) -> float:
        """Growth of the squared deviations, of each class and of all clips placed so far."""
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
    """The fold of each item, with no scene, or no source, in two folds and about as many clips in each.

    Sources that share a scene, as reposted videos do, stay together. A scene of unknown source counts as a source. The
    result does not depend on the order of `items`.
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
