"""``fitsense analyze --sink`` and ``fitsense serve`` with ``[[sinks]]``, in processes of their own."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from standardwebhooks.webhooks import Webhook as Verifier

from fitsense.cli import main
from fitsense.events.schema import validate_event
from tests.helpers.http_receiver import Answer, Receiver
from tests.helpers.live_server import PATIENCE_S, events_of, process, until

COMMAND = [sys.executable, "-m", "fitsense", "analyze"]
SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FITSENSE_WEBHOOK_SECRET": SECRET}
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_analyze_sink_receives_printed_events(squats_file: Path) -> None:
    with Receiver(Answer(503)) as receiver:
        done = run(squats_file, "--sink", f"webhook={receiver.url}")
    assert done.returncode == 0
    assert "answered with 503; it will be tried again" in done.stderr
    sent = [Verifier(SECRET).verify(request.body, dict(request.headers)) for request in receiver.requests]
    assert sent[1:] == events_of(done.stdout)
    assert sent[0] == sent[1]


def test_analyze_unreachable_sink_is_reported(squats_file: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = tmp_path / "sink.toml"
    file.write_text(
        f'sink = "sinks/webhook"\nconfig = {{ url = "http://127.0.0.1:{port}/", signed = false }}\n'
        "[delivery]\nflush_timeout_s = 0.1\n"
    )
    done = run(squats_file, "--sink", file)
    events = events_of(done.stdout)
    assert done.returncode == 0
    assert f"{len(events)} of {len(events)} events not delivered" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("webhook", "expected NAME=URL or a .toml"),
        ("carrier-pigeon=x", "available: sinks/mqtt, sinks/webhook"),
        ("webhook=https://user:password@host/", "no user and no password"),
        ("webhook=https://host/", "FITSENSE_WEBHOOK_SECRET"),
        ("nowhere.toml", "nowhere.toml"),
    ],
)
def test_analyze_invalid_sink_is_refused_early(squats_file: Path, value: str, says: str) -> None:
    runner = CliRunner(env={"FITSENSE_WEBHOOK_SECRET": ""})
    done = runner.invoke(main, ["analyze", str(squats_file), "--sink", value])
    assert done.exit_code in (1, 2)
    assert done.stdout == ""
    assert says in " ".join(done.stderr.split())
    assert "user:password" not in done.stderr


def test_serve_sink_receives_events_of_all_sessions(squats_file: Path, tmp_path: Path) -> None:
    config, log = tmp_path / "serve.toml", tmp_path / "log"
    with Receiver(Answer(500), Answer(0)) as receiver:
        config.write_text(
            f'sources = {{ videos = "{squats_file.parent}" }}\n[[sinks]]\nsink = "webhook"\n'
            f'config = {{ url = "{receiver.url}" }}\ndelivery = {{ backoff = {{ first_delay_s = 0.05 }} }}\n'
        )
        with process("--config", str(config), environment={"FITSENSE_WEBHOOK_SECRET": SECRET}, log=log) as (
            running,
            child,
        ):
            with running.client() as client:
                responses = [
                    events_of(client.post("/v1/analyses", content=squats_file.read_bytes()).text) for _ in range(2)
                ]
                pushed = client.post("/v1/sessions", json={}).json()
                until(lambda: len(receiver.requests) == 2 + sum(map(len, responses)))
                assert 'fitsense_sink_events{number="0",outcome="delivered",sink="sinks/webhook"} ' in (
                    client.get("/metrics").text
                )
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0
    sent = [Verifier(SECRET).verify(request.body, dict(request.headers)) for request in receiver.requests][2:]
    for event in sent:
        validate_event(event)
    for events in responses:
        assert [event for event in sent if event["source"] == events[0]["source"]] == events
    # What a shutdown brings about is sent, too.
    last = [event for event in sent if event["source"] == pushed["event_source"]]
    assert last[-1]["data"]["reason"] == "interrupted"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["level"] for line in lines if line["logger"] == "fitsense.sinks"] == ["warning"] * 3
    assert SECRET not in log.read_text()
