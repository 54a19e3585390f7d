"""Laws of splits, folds and scenes."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.data.manifest import FOLDS, ClipItem
from fitsense.data.probe import COLOURS
from fitsense.data.scene_groups import components, find_scenes, sharing
from fitsense.data.splits import folds_by, spread

SHARES = {"train": 0.7, "test": 0.15, "val": 0.15}
clips = st.lists(
    st.tuples(st.integers(0, 40).map(lambda n: f"scene{n}"), st.sampled_from(["squat", "plank", "row", ""])),
    max_size=120,
)
items = st.lists(
    st.builds(
        ClipItem,
        path=st.just(Path("a.mp4")),
        group=st.just("squat"),
        split=st.just("train"),
        scene=st.integers(0, 20).map(lambda n: f"scene{n}"),
        fold=st.just(0),
        source=st.sampled_from(["", "", "a", "b", "c", "d"]),
    ),
    max_size=60,
)


@given(clips, st.integers(), st.integers())
def test_spread_any_order_gives_one_part_per_scene(clips: list[tuple[str, str]], seed: int, order: int) -> None:
    placed = spread(clips, SHARES, seed, first="train")
    assert placed.keys() == {scene for scene, _ in clips}
    assert set(placed.values()) <= SHARES.keys()
    shuffled = random.Random(order).sample(clips, len(clips))
    assert spread(shuffled, SHARES, seed, first="train") == placed


@given(clips, st.integers())
def test_spread_first_part_has_all_classes(clips: list[tuple[str, str]], seed: int) -> None:
    placed = spread(clips, SHARES, seed, first="train")
    trained = {label for scene, label in clips if placed[scene] == "train"}
    assert trained == {label for _, label in clips}


@given(
    st.lists(st.integers(30, 120), min_size=1, max_size=4),
    st.integers(),
    st.floats(0.1, 0.3),
    st.floats(0.1, 0.3),
)
def test_spread_small_scenes_meet_shares(counts: list[int], seed: int, test: float, val: float) -> None:
    """Scenes of one clip and one class: each class gets what was asked for, to a few clips."""
    clips = [(f"{label}-{n}", f"class{label}") for label, count in enumerate(counts) for n in range(count)]
    shares = {"train": 1 - test - val, "test": test, "val": val}
    placed = spread(clips, shares, seed, first="train")
    for label, count in enumerate(counts):
        got = Counter(placed[scene] for scene, of in clips if of == f"class{label}")
        for split, share in shares.items():
            assert abs(got[split] - share * count) <= 3, (split, got)


@given(st.lists(st.integers(1, 6), min_size=40, max_size=80), st.integers())
def test_spread_uneven_scenes_are_near_shares(sizes: list[int], seed: int) -> None:
    clips = [(f"scene{n}", "squat") for n, size in enumerate(sizes) for _ in range(size)]
    placed = spread(clips, SHARES, seed, first="train")
    got = Counter(placed[scene] for scene, _ in clips)
    for split, share in SHARES.items():
        assert abs(got[split] - share * len(clips)) <= max(sizes)


@given(clips, st.integers())
def test_spread_keeps_given_parts(clips: list[tuple[str, str]], seed: int) -> None:
    fixed = {"scene1": "test", "scene2": "val", "scene3": "extra"}
    placed = spread(clips, SHARES, seed, given=fixed, first="train")
    assert all(placed[scene] == part for scene, part in fixed.items() if scene in placed)


def test_spread_seed_changes_parts() -> None:
    clips = [(f"scene{n}", "squat") for n in range(40)]
    assert len({frozenset(spread(clips, SHARES, seed).items()) for seed in range(5)}) == 5


def test_spread_counts_given_parts() -> None:
    """Half of the scenes are in test already, so that it gets no more of the others."""
    clips = [(f"scene{n}", "squat") for n in range(20)]
    placed = spread(clips, SHARES, given={f"scene{n}": "test" for n in range(10)}, first="train")
    assert Counter(placed.values())["test"] == 10


@given(items, st.integers(2, 6), st.integers())
def test_folds_by_divides_no_scene_or_source(items: list[ClipItem], folds: int, order: int) -> None:
    for key in ("scene", "source"):
        placed = folds_by(items, "scene" if key == "scene" else "source", folds)
        assert set(placed) <= set(range(folds))
        where: dict[str, set[int]] = {}
        for item, fold in zip(items, placed, strict=True):
            where.setdefault(f"scene {item.scene}", set()).add(fold)
            if key == "source" and item.source:
                where.setdefault(f"source {item.source}", set()).add(fold)
        assert all(len(found) == 1 for found in where.values())
        # Equal clips are together anyway, so that a permutation can be compared by what they are.
        shuffled = random.Random(order).sample(items, len(items))
        again = folds_by(shuffled, "scene" if key == "scene" else "source", folds)
        assert dict(zip(items, placed, strict=True)) == dict(zip(shuffled, again, strict=True))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_folds_by_source_are_even(sizes: list[int]) -> None:
    items = [
        ClipItem(Path(f"{n}-{k}.mp4"), "squat", "train", f"scene{n}-{k}", 0, source=f"source{n}")
        for n, size in enumerate(sizes)
        for k in range(size)
    ]
    filled = Counter(folds_by(items, "source"))
    counts = [filled[fold] for fold in range(FOLDS)]
    assert max(counts) - min(counts) <= max(sizes)


@given(st.integers(0, 30), st.data())
def test_components_match_reachability(count: int, data: st.DataObject) -> None:
    index = st.integers(0, max(0, count - 1))
    pairs = data.draw(st.lists(st.tuples(index, index), max_size=30)) if count else []
    groups = components(count, pairs)
    reach = np.eye(count, dtype=int)
    for one, other in pairs:
        reach[one, other] = reach[other, one] = 1
    for _ in range(count):
        reach = ((reach @ reach) > 0).astype(int)
    assert [[a == b for b in groups] for a in groups] == (reach > 0).tolist()


def test_sharing_connects_equal_values_only() -> None:
    assert list(sharing(["a", "", "b", "a", "", "a"])) == [(0, 3), (3, 5)]


def one_colour(*which: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.eye(COLOURS, dtype=np.float32)[list(which)]


def test_find_scenes_similar_colours_join() -> None:
    names = ["a", "b", "c", "d"]
    assert find_scenes(names, [""] * 4, one_colour(1, 2, 1, 3)) == ["a", "b", "a", "d"]


def test_find_scenes_given_scenes_stay() -> None:
    names = ["a", "b", "c", "d"]
    # The given scenes have similar colours, too, and stay separate.
    assert find_scenes(names, ["gym", "park", "", ""], one_colour(1, 1, 3, 4)) == ["gym", "park", "c", "d"]
    assert find_scenes(names, ["gym", "park", "", ""], one_colour(1, 2, 1, 4)) == ["gym", "park", "gym", "d"]
    # A clip similar to both joins both: a leak is worse than too large a scene.
    assert find_scenes(names, ["park", "gym", "", ""], one_colour(1, 1, 1, 4)) == ["gym", "gym", "gym", "d"]


@pytest.mark.parametrize(("alike", "scenes"), [(0.0, 3), (0.4, 2), (1.0, 1)])
def test_find_scenes_threshold_is_applied(alike: float, scenes: int) -> None:
    colours = one_colour(1, 2, 3)
    colours[1, 1:3] = np.sqrt([0.4, 0.6])
    assert len(set(find_scenes(["a", "b", "c"], [""] * 3, colours, alike))) == scenes
