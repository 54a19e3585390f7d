"""Selection of training clips, and how they are held out."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.catalogue import UNKNOWN
from fitsense.data.samples import NO_FOLD
from fitsense.errors import InvalidInputError
from fitsense.train.recipe import BranchRecipe, Recipe, Sources
from fitsense.train.training_set import Partition, label_set, partitions, read_pool
from tests.helpers.tiny_models import make_sample

RECIPE = Recipe((BranchRecipe(),), min_scenes=2, synthetic_clips=1)
ROWS = (
    "squat,train,a,0",
    "squat,val,b,1",
    "push_up,train,c,0",
    "push_up,train,d,1",
    "no_exercise,train,e,0",
    "no_exercise,val,f,1",
    "plank,train,g,0",
    "squat,test,h,0",
    ",train,i,0",
    "squat,extra,j,0",
    "burpee,extra,k,0",
)


def folder(path: Path, *rows: str) -> Path:
    """A manifest whose files are there, though there is no video in them."""
    path.mkdir(exist_ok=True)
    lines = ["path,group,split,scene,fold"]
    for index, row in enumerate(rows):
        (path / f"{index}.mp4").touch()
        lines.append(f"{index}.mp4,{row}")
    (path / "manifest.csv").write_text("\n".join(lines))
    return path


def test_read_pool_divides_groups_into_labelled_unknown_and_left_out(tmp_path: Path) -> None:
    aids = folder(tmp_path / "aids", "squat,any,x,3", "burpee,any,y,3")
    pool = read_pool(RECIPE, Sources(folder(tmp_path / "data", *ROWS), auxiliary=[aids]))
    assert pool.labels.exercise == ("no_exercise", "push_up", "squat")
    assert {"quads", "chest"} <= set(pool.labels.muscles)
    assert "biceps" not in pool.labels.muscles
    assert sorted(item.scene for item in pool.labelled) == list("abcdef")
    assert pool.too_few == {"plank": 1}
    # Those that are not trained, and of the other split what has no trained label; a clip without a group nowhere.
    assert [item.scene for item in pool.unknown] == ["g", "k"]
    assert {item.group for item in pool.synthetic} == {"no_exercise", "push_up", "squat"}
    (aid,) = pool.auxiliary
    assert (aid.group, aid.split, aid.fold) == ("squat", "", NO_FOLD)


def test_partitions_hold_out_each_real_clip_once(tmp_path: Path) -> None:
    aids = folder(tmp_path / "aids", "squat,val,x,0")
    pool = read_pool(RECIPE, Sources(folder(tmp_path / "data", *ROWS), auxiliary=[aids]))
    by_split = attrs.evolve(RECIPE, validation="val")
    for recipe, names in ((RECIPE, ["fold0", "fold1"]), (by_split, ["val"])):
        made = partitions(recipe, pool)
        assert [partition.name for partition in made] == names
        held = [[item for item in pool.labelled if partition.held(item)] for partition in made]
        keys = [item.key for items in held for item in items]
        assert len(set(keys)) == len(keys)
        assert [len(items) for items in held] == ([3, 3] if recipe is RECIPE else [2])
        assert not any(partition.held(item) for partition in made for item in (*pool.auxiliary, *pool.synthetic))


def test_read_pool_scene_in_training_and_test_is_refused(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", "squat,train,a,0", "squat,train,b,1", "squat,test,a,0")
    with pytest.raises(InvalidInputError, match="scene 'a' is in a split to train on and in test"):
        read_pool(RECIPE, Sources(data, ["train"], unknown_split=None))


def test_read_pool_exercise_without_muscles_is_refused(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", "squat,train,a,0", "squat,train,b,1", "moonwalk,train,c,0", "moonwalk,train,d,1")
    with pytest.raises(InvalidInputError, match=r"muscles: expected a column muscles .* got none for moonwalk"):
        read_pool(RECIPE, Sources(data, ["train"], None, None))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30), st.integers(1, 4))
def test_label_set_excludes_groups_with_too_few_scenes(clips: list[tuple[str, int]], min_scenes: int) -> None:
    kept, left_out = label_set([make_sample(group, f"{scene}") for group, scene in clips], min_scenes)
    scenes = {group: len({scene for of, scene in clips if of == group}) for group, _ in clips}
    assert list(kept) == sorted(group for group, number in scenes.items() if number >= min_scenes)
    assert left_out == {group: number for group, number in scenes.items() if number < min_scenes}


def test_read_pool_unknown_is_a_label_and_held_out_by_exercise(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folder(data, *ROWS, ",extra,l,0", ",extra,m,0")
    lines = (data / "manifest.csv").read_text().splitlines()
    fine = ["exercise", *["" for _ in ROWS], "v_up", "v_up"]
    (data / "manifest.csv").write_text("\n".join(f"{line},{name}" for line, name in zip(lines, fine, strict=True)))
    recipe = attrs.evolve(RECIPE, unknown=True)
    pool = read_pool(recipe, Sources(data))
    assert pool.labels.exercise[-1] == UNKNOWN
    assert {item.group for item in pool.unknown} == {UNKNOWN}
    assert len({item.fold for item in pool.unknown if item.exercise == "v_up"}) == 1
    held = [[item for item in pool.measured if part.held(item)] for part in partitions(recipe, pool)]
    assert sorted(item.key for items in held for item in items) == sorted(item.key for item in pool.measured)


def test_partition_excludes_unknown_clips_of_held_out_scenes() -> None:
    inside, outside = make_sample("squat", "a"), make_sample("squat", "b")
    part = Partition("fold0", lambda item: item is inside, frozenset("a"))
    stranger = attrs.evolve(make_sample("squat", "a"), group=UNKNOWN)
    assert not part.trained(inside)
    assert part.trained(outside)
    assert not part.trained(stranger)
    assert part.trained(attrs.evolve(stranger, scene="c"))


def test_recipe_unknown_with_validation_by_split_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="unknown: expected validation by folds, got 'val'"):
        attrs.evolve(RECIPE, unknown=True, validation="val")
