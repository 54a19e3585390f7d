"""The apps' code on the page reads what the exports write; neither Swift nor Kotlin can be compiled here."""

from __future__ import annotations

import json
import re
from typing import Any

from fitsense.workouts.health_connect import to_health_connect
from fitsense.workouts.healthkit import to_healthkit
from fitsense.workouts.workout import Workout, workout_of
from tests.helpers.doc_pages import blocks
from tests.helpers.event_logs import log

PAGE = "docs/how-to/phones-and-strava.md"


def workout() -> Workout:
    from fitsense.events.log import read_log

    (one,) = read_log(json.dumps(event) for event in log())
    return workout_of(one)


def keys_of(documents: list[dict[str, Any]]) -> set[str]:
    return {key for document in documents for key in document}


def test_phones_page_swift_properties_are_written() -> None:
    document = json.loads(to_healthkit(workout()))
    (code,) = blocks(PAGE, "swift")
    structs = code.partition("func save")[0]
    device, segment = re.findall(r"struct \w+: Decodable \{\n((?: {8}let .*\n)+)", structs)
    outer = "\n".join(re.findall(r"^    let .*$", structs, re.MULTILINE))
    for text, found in ((outer, [document]), (device, [document["device"]]), (segment, document["segments"])):
        fields = re.findall(r"let (\w+): ([\w\[\]]+)(\?)?", text)
        assert fields
        assert {name for name, _, _ in fields} <= keys_of(found)
        for name, _, optional in fields:
            assert optional or all(one.get(name) is not None for one in found), name


def test_phones_page_kotlin_properties_are_written() -> None:
    record = json.loads(to_health_connect(workout()))
    (code,) = blocks(PAGE, "kotlin")
    classes = dict(re.findall(r"data class (\w+)\(([^)]*)\)", code))
    found = {
        "FitsenseRecord": [record],
        "RecordMetadata": [record["metadata"]],
        "RecordDevice": [record["metadata"]["device"]],
        "Segment": record["segments"],
    }
    for kind, documents in found.items():
        fields = re.findall(r"val (\w+): ([\w<>]+)(\?)?", classes[kind])
        assert fields
        for name, _, optional in fields:
            assert all(name in one for one in documents), name
            assert optional or all(one[name] is not None for one in documents), name
