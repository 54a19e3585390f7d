"""Suggestions for misspelt names."""

from __future__ import annotations

import attrs
import pytest

import fitsense
from fitsense._internal.configs import config_from_json
from fitsense._internal.suggestions import suggestion

FIELDS = ("exercise", "repetitions", "hold_s", "sets", "rest_s", "tempo_s")


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("reps", "repetitions"),
        ("rep", "repetitions"),
        ("hold", "hold_s"),
        ("repetition", "repetitions"),
        ("tmpo_s", "tempo_s"),
        ("set", "sets"),
    ],
)
def test_suggestion_of_a_near_or_abbreviated_name_is_the_whole_name(name: str, similar: str) -> None:
    assert suggestion(name, FIELDS) == f"; did you mean {similar!r}?"


def test_suggestion_of_an_abbreviation_of_several_names_is_the_nearest() -> None:
    assert suggestion("short", ("short_side_of_it", "shortest", "size")) == "; did you mean 'short_side_of_it'?"
    assert suggestion("abcs", ("abcdefghijkl", "abcxyzabcxyz")) == ""


def test_suggestion_without_a_similar_name_is_empty() -> None:
    assert suggestion("zzz", FIELDS) == ""


@attrs.frozen
class Size:
    width: int = 8


@attrs.frozen
class Sized:
    size: Size = Size()


def test_config_from_json_problem_states_the_path_below_the_document() -> None:
    with pytest.raises(fitsense.InvalidInputError) as error:
        config_from_json(Sized, {"width": 9}, "it")
    assert str(error.value) == "configuration of it: expected keys among size, got 'width'"
    with pytest.raises(fitsense.InvalidInputError) as error:
        config_from_json(Sized, {"size": {"with": 9}}, "it")
    assert str(error.value).endswith("expected keys among width, got 'with'; did you mean 'width'? @ $.size")
