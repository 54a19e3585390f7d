"""Misspelt arguments of configuration classes."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import attrs
import pytest

import fitsense
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.server.config import Limits, ServeConfig
from fitsense.sinks.settings import SinkSettings
from fitsense.video.config import DecodeConfig

PUBLIC = [thing for name in fitsense.__all__ if name.endswith("Config") and attrs.has(thing := getattr(fitsense, name))]
CONFIGS = [*PUBLIC, DecodeConfig, Limits, ServeConfig, SinkSettings, PersonTrackerConfig]


def test_public_configs_are_found() -> None:
    assert {fitsense.SessionConfig, fitsense.DecisionConfig, fitsense.LiveConfig} <= set(PUBLIC)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_config_misspelt_argument_names_class_and_nearest(config: type[attrs.AttrsInstance]) -> None:
    # Longer than any argument that begins with another one.
    right = max((field.name for field in attrs.fields(config)), key=len)
    wrong = right[:-2] + right[-1] + right[-2] + "x"
    with pytest.raises(TypeError) as error:
        config(**{wrong: None})
    text = str(error.value)
    assert text.startswith(f"{config.__name__}: expected arguments of ")
    assert text.endswith(f"got {wrong!r}; did you mean {right!r}?")


def test_session_config_misspelt_exercises_is_explained() -> None:
    with pytest.raises(TypeError, match=r"SessionConfig: .*got 'exersises'; did you mean 'exercises'\?"):
        fitsense.SessionConfig(exersises=["squat"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"SessionConfig: .*, got 'zzz'$"):
        attrs.evolve(fitsense.SessionConfig(), zzz=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("config", PUBLIC, ids=lambda config: config.__name__)
def test_config_keeps_signature_and_pickles(config: Any) -> None:
    parameters = inspect.signature(config).parameters
    assert list(parameters) == [field.name for field in attrs.fields(config)]
    assert all(one.default is not inspect.Parameter.empty for one in parameters.values())
    made = config()
    assert pickle.loads(pickle.dumps(made)) == made
    assert attrs.evolve(made) == made
