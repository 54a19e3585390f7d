"""Debug messages about loading, windows, decisions and events, and suggestions for misspelt names."""

from __future__ import annotations

import logging

import pytest

import fitsense
from fitsense.errors import InvalidInputError
from fitsense.server.config import config_of
from fitsense.synthetic.figures import FigureVideo


def test_debug_log_names_source_windows_decisions_and_events(
    model: fitsense.Model, squats: FigureVideo, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "fitsense"):
        session = fitsense.Session(model, fitsense.SessionConfig(source="urn:mine"))
        session.push_many(squats)
        session.finish()
    messages = [record.getMessage() for record in caplog.records if record.name == "fitsense.session"]
    assert any(one.startswith("window 0.00 to ") and "; current " in one for one in messages)
    assert any(one.endswith("; current squat") for one in messages)
    assert any("urn:mine 0000000000 SessionStarted(" in one for one in messages)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_debug_log_of_a_video_has_no_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fitsense"), pytest.raises(fitsense.SourceError):
        fitsense.analyze("http://someone:secret-word@127.0.0.1:9/stream")
    assert "secret-word" not in caplog.text


def test_misspelt_names_get_a_suggestion(model: fitsense.Model, squats: FigureVideo) -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Sesion'; did you mean 'Session'\?"):
        fitsense.Sesion  # noqa: B018
    with pytest.raises(TypeError, match=r"got 'hop'; did you mean 'hop_s'\?"):
        fitsense.analyze(squats, model=model, hop=1.0)  # type: ignore[call-arg]
    session = fitsense.Session(model)
    with pytest.raises(AttributeError, match=r"'Session' has no attribute 'exercise'; did you mean 'exercises'\?"):
        session.exercise = ("squat",)  # type: ignore[attr-defined]
    session.exercises, session.region = ("squat",), fitsense.Region(0.0, 0.0, 0.5, 1.0)
    with pytest.raises(InvalidInputError, match=r"got 'prot'; did you mean 'port'\?"):
        config_of({"prot": 1})


@pytest.mark.parametrize(("code", "message"), [("My code", "text"), ("", "text"), ("myapp_door", "")])
def test_warn_with_what_the_schema_refuses_is_refused(model: fitsense.Model, code: str, message: str) -> None:
    session = fitsense.Session(model)
    with pytest.raises(InvalidInputError, match=r"(code|message): expected"):
        session.warn(code, message)
    assert session.warn("myapp_door_open", "Somebody opened the door.")[-1].sequence == 1
