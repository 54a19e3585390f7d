"""Sessions that continue after ``kill -9`` and a restart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

import fitsense
from fitsense.events.model import Event, SessionWarning
from fitsense.server.api.requests import SessionRequest
from fitsense.server.api.wire import Format, pack
from fitsense.server.config import ServeConfig
from fitsense.server.engine.session_files import SessionRecord, StateFolder
from fitsense.server.models import Bundles
from fitsense.server.run import create_server
from fitsense.server.security import Tokens
from tests.helpers.live_server import Running, events_of, process, serving, until
from tests.server.api.test_websocket import FINISH, START, rest, split

CONFIG = """
batch = 1
bundles = ["gym-video"]
snapshot_interval_s = 0.3

[limits]
# It never fills, so that no warning depends on the speed of the machine.
queue_size = 1000
"""
BEFORE, FRAMES = 25, 60
# Two processes load models and analyse.
LONG_S = 120.0


def sessions_of(running: Running, requests: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    with running.client() as client:
        return {name: client.post("/v1/sessions", json=request).json() for name, request in requests.items()}


def shown(running: Running, session: dict[str, Any]) -> dict[str, Any]:
    with running.client() as client:
        state: dict[str, Any] = client.get(f"/v1/sessions/{session['id']}").json()
        return state


def told(running: Running, session: dict[str, Any], after: str = "") -> list[dict[str, Any]]:
    """The events of a session so far."""
    with running.client() as client:
        answer = client.get(f"/v1/sessions/{session['id']}/events.ndjson", params={"after": after} if after else {})
        return events_of(answer.text)


def test_session_of_missing_bundle_ends_as_failed_and_is_removed(model: fitsense.Model, tmp_path: Path) -> None:
    id = "a" * 16
    record = SessionRecord(id, "push", SessionRequest(), "no-such-bundle", datetime.now(UTC))
    event = Event("urn:test", 0, datetime.now(UTC), SessionWarning("myapp_test", "a message", 0.0, 0.0))
    state = StateFolder(tmp_path, 10)
    files = state.new(id)
    files.save_record(record)
    files.append([event.to_json()])
    files.close()
    state.close()
    with serving(model, ServeConfig(state_dir=str(tmp_path))) as running, running.client() as client:
        session = client.get(f"/v1/sessions/{id}").json()
        assert (session["state"], session["reason"], session["restarts"]) == ("ended", "failed", 0)
        assert client.get(f"/v1/sessions/{id}/events.ndjson").text == event.to_json() + "\n"
        stream = client.get(f"/v1/sessions/{id}/events", headers={"last-event-id": event.id})
        assert stream.status_code == 204
        assert client.delete(f"/v1/sessions/{id}").status_code == 204
        assert client.get(f"/v1/sessions/{id}").status_code == 404
        assert not list((tmp_path / "sessions").iterdir())


def test_session_that_ended_long_ago_is_removed(model: fitsense.Model, tmp_path: Path) -> None:
    ended_at = datetime.now(UTC) - timedelta(hours=1)
    record = SessionRecord("a" * 16, "push", SessionRequest(), "gym", ended_at, reason="finished", ended_at=ended_at)
    state = StateFolder(tmp_path, 10)
    state.new(record.id).save_record(record)
    state.close()
    with serving(model, ServeConfig(state_dir=str(tmp_path))):
        until(lambda: not list((tmp_path / "sessions").iterdir()))


def test_state_dir_in_use_or_negative_interval_is_refused(model: fitsense.Model, tmp_path: Path) -> None:
    config = ServeConfig(state_dir=str(tmp_path))
    with serving(model, config), pytest.raises(fitsense.InvalidInputError, match="another server uses it"):
        create_server(config, Tokens(), Bundles([model], config.detector))
    with pytest.raises(fitsense.InvalidInputError, match="snapshot_interval_s: expected seconds from 0, got -1"):
        ServeConfig(snapshot_interval_s=-1.0)


def anonymous(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events without the id of their session."""
    return [{key: value for key, value in event.items() if key != "source"} for event in events]


def test_process_killed_sessions_continue(squats_file: Path, jpegs: list[tuple[float, bytes]], tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text(CONFIG)
    arguments = ["--config", str(config), "--source", f"videos={squats_file.parent}"]
    arguments += ["--state-dir", str(tmp_path / "state")]
    messages = [pack(Format.IMAGE, time_s, content) for time_s, content in jpegs[:FRAMES]]
    times_s = [time_s for time_s, _ in jpegs[:FRAMES]]
    push = {"policy": "all", "started_at": START}

    with process(*arguments, log=tmp_path / "first") as (running, child):
        sessions = sessions_of(running, {"again": push, "lost": push, "ended": push})
        known: dict[str, list[dict[str, Any]]] = {}
        for name in ("ended", "lost", "again"):
            session = sessions[name]
            with connect(running.websocket(session["id"], "?events=false")) as socket:
                count = 5 if name == "ended" else BEFORE
                for message in messages[:count]:
                    socket.send(message)
                if name == "ended":
                    socket.send(FINISH)
                    rest(socket)
                until(lambda session=session, count=count: shown(running, session)["frames"] == count, LONG_S)
            known[name] = told(running, session)
        sessions |= sessions_of(running, {"file": {"source": f"videos/{squats_file.name}"}})
        until(lambda: shown(running, sessions["file"])["frames"] > 10, LONG_S)
        known["file"] = told(running, sessions["file"])
        child.kill()
        child.wait()

    with process(*arguments, log=tmp_path / "second") as (running, child):
        states = {name: shown(running, session) for name, session in sessions.items()}
        assert [states[name]["restarts"] for name in ("again", "lost", "file", "ended")] == [1, 1, 1, 0]
        assert states["ended"]["reason"] == "finished"
        assert states["ended"]["frames"] == 5
        # All that clients may have received is still there.
        assert told(running, sessions["ended"]) == known["ended"]
        for name in ("again", "lost"):
            assert told(running, sessions[name]) == known[name]
            resumed_s = states[name]["resumed_s"]
            assert times_s[0] <= resumed_s <= times_s[BEFORE - 1]
            # A client that has the pictures pushes all that followed the snapshot, a camera only new ones.
            first = times_s.index(resumed_s) + 1 if name == "again" else BEFORE + 10
            with connect(running.websocket(sessions[name]["id"], f"?after={known[name][-1]['id']}")) as socket:
                for message in messages[first:]:
                    socket.send(message)
                socket.send(FINISH)
                events, problems = split(rest(socket))
            assert not problems
            known[name] += events
            assert [int(event["id"]) for event in known[name]] == list(range(len(known[name])))
            assert known[name][-1]["data"]["reason"] == "finished"
        whole = sessions_of(running, {"again": push, "file": {"source": f"videos/{squats_file.name}"}})
        with connect(running.websocket(whole["again"]["id"])) as socket:
            for message in messages:
                socket.send(message)
            socket.send(FINISH)
            uninterrupted, _ = split(rest(socket))
        assert anonymous(known["again"]) == anonymous(uninterrupted)
        until(lambda: shown(running, sessions["file"])["state"] == "ended", LONG_S)
        until(lambda: shown(running, whole["file"])["state"] == "ended", LONG_S)
        of_file = told(running, sessions["file"])
        assert of_file[: len(known["file"])] == known["file"]
        contents = [
            [(one["id"], one["type"], one["data"]) for one in events]
            for events in (of_file, told(running, whole["file"]))
        ]
        assert contents[0] == contents[1]
        with running.client() as client:
            for session in (*sessions.values(), *whole.values()):
                assert client.delete(f"/v1/sessions/{session['id']}").status_code == 204
        assert not list((tmp_path / "state" / "sessions").iterdir())
        child.kill()
        child.wait()
    lines = [json.loads(line) for line in (tmp_path / "second").read_text().splitlines()]
    continued = {line["session"] for line in lines if line["message"] == "session continued"}
    assert continued == {sessions[name]["id"] for name in ("again", "lost", "file")}
    assert not [line for line in lines if line["level"] in ("error", "critical")]
