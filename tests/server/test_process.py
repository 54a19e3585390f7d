"""``fitsense serve`` as a process: logs and shutdown."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from fitsense.server.api.wire import Format, pack
from tests.helpers.live_server import PATIENCE_S, ended, events_of, process, until
from tests.server.api.test_websocket import rest, split

TOKEN = "a-token-that-must-not-be-logged"
CONFIG = """
batch = 2
bundles = ["gym-video"]

[limits]
drain_s = 20
"""


def test_process_signal_ends_sessions_with_last_event(
    squats_file: Path, jpegs: list[tuple[float, bytes]], tmp_path: Path
) -> None:
    config, log = tmp_path / "serve.toml", tmp_path / "log"
    config.write_text(CONFIG)
    arguments = ["--config", str(config), "--source", f"videos={squats_file.parent}"]
    with process(*arguments, environment={"FITSENSE_TOKENS": TOKEN}, log=log) as (running, child):
        headers = {"authorization": f"Bearer {TOKEN}"}
        with running.client(headers=headers) as client:
            pushed = client.post("/v1/sessions", json={}).json()["id"]
            followed = client.post("/v1/sessions", json={"hop_s": 0.1, "source": f"videos/{squats_file.name}"}).json()
            heard: list[dict[str, Any]] = []
            following = threading.Thread(target=lambda: heard.extend(_sse(client, followed["id"])))
            following.start()
            with connect(running.websocket(pushed), additional_headers=headers) as socket:
                for time_s, content in jpegs[:30]:
                    socket.send(pack(Format.IMAGE, time_s, content))
                until(lambda: client.get(f"/v1/sessions/{followed['id']}").json()["events"] > 2)
                child.send_signal(signal.SIGTERM)
                events, problems = split(rest(socket))
            following.join(PATIENCE_S)
        assert child.wait(PATIENCE_S) == 0
    assert not problems
    assert ended(events)["reason"] == "interrupted"
    assert ended(events_of("\n".join(map(json.dumps, heard))))["reason"] == "interrupted"
    text = log.read_text()
    assert TOKEN not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    over = {line["session"]: line["reason"] for line in lines if line["message"] == "session ended"}
    assert over == {pushed: "interrupted", followed["id"]: "interrupted"}
    requests = [line for line in lines if line["message"] == "request"]
    assert {"method": "POST", "path": "/v1/sessions", "status": 201}.items() <= requests[0].items()
    assert any(line["method"] == "WEBSOCKET" and line["status"] == 101 for line in requests)
    assert not [line for line in lines if line["level"] in ("error", "critical")]


def _sse(client: Any, session: str) -> list[dict[str, Any]]:
    with client.stream("GET", f"/v1/sessions/{session}/events") as answer:
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def test_process_signal_idle_server_stops_immediately(tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text("batch = 1")
    with process("--config", str(config), "--log-level", "error", log=tmp_path / "log") as (running, child):
        with running.client() as client:
            until(lambda: client.get("/readyz").status_code == 200)
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE_S) == 0
    assert (tmp_path / "log").read_text() == ""
