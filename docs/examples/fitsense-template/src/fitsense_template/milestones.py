"""An added event: every tenth repetition of an exercise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fitsense import Event, RepetitionCompleted
from fitsense.plugins import EventSchema, PluginEvent

TYPE = "template.milestone"
SCHEMA = EventSchema(
    type=TYPE,
    schema={
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:fitsense:plugin:template:milestone",
        "title": "Milestone",
        "description": "Every tenth repetition of an exercise in a session, over all of its sets.",
        "type": "object",
        "required": ["exercise", "repetitions"],
        "properties": {
            "exercise": {"type": "string", "description": "Id of the exercise in the catalogue."},
            "repetitions": {"type": "integer", "minimum": 10, "multipleOf": 10},
        },
    },
)


def observe(event: Event, state: dict[str, Any]) -> Iterator[PluginEvent]:
    """Count repetitions by exercise in `state`, which snapshots of the session contain."""
    if isinstance(event.data, RepetitionCompleted):
        exercise = event.data.exercise
        state[exercise] = state.get(exercise, 0) + 1
        if state[exercise] % 10 == 0:
            yield PluginEvent(TYPE, {"exercise": exercise, "repetitions": state[exercise]})
