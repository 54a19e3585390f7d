"""``python -m tests.server.fuzz``: a real server, and clients that send random requests and messages.

HTTP by schemathesis, which reads the server's own OpenAPI document; WebSocket messages by Hypothesis: any bytes, any
text, and pictures that were damaged. Nothing may be a 500, hang, or grow.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import click
import httpx2
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from fitsense.events.schema import validate, validate_event
from fitsense.server.api.wire import Format, pack
from fitsense.synthetic.figures import Bout, FigureVideo
from tests.helpers.live_server import PATIENCE_S, Running, process, until

CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
_PATIENCE_S = 20.0
_MAX_GROWN_MB = 150.0
_CONFIG = """
batch = 1
[limits]
sessions = 6
idle_s = 2
keep_s = 2
requests_per_s = 100000
rate_hz = 100000
"""


def fuzz_http(running: Running, examples: int) -> int:
    """Requests as the OpenAPI document allows them, and as it does not; give how many."""
    with running.client() as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.config.update(base_url=running.url)
    sent = 0
    for operation in schema.get_all_operations():

        @settings(**_settings(examples))
        @given(case=cast(Any, operation).ok().as_strategy())
        def send(case: Any) -> None:
            nonlocal sent
            sent += 1
            response = case.call(timeout=_PATIENCE_S)
            case.validate_response(response, checks=CHECKS)
            # Too many sessions, 503, is an answer; our own fault is none.
            assert response.status_code != 500, response.text

        send()
    return sent


def messages(pictures: Sequence[tuple[Format, bytes]]) -> st.SearchStrategy[list[bytes | str]]:
    """A few messages, sensible and not."""
    times = st.one_of(st.floats(0, 20), st.floats(-1e9, 1e9))

    def damaged(picture: tuple[Format, bytes], time_s: float, at: float, noise: bytes, format_: Format | None) -> bytes:
        kind, content = picture
        place = int(at * len(content))
        return pack(format_ or kind, time_s, content[:place] + noise + content[place + len(noise) :])

    picture = st.builds(
        damaged,
        st.sampled_from(pictures),
        times,
        st.floats(0, 1),
        st.binary(max_size=12),
        st.one_of(st.none(), st.none(), st.sampled_from(Format)),
    )
    texts = st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=5)), st.lists, max_leaves=5).map(json.dumps),
        st.dictionaries(st.sampled_from(["op", "x"]), st.text(max_size=5)).map(json.dumps),
    )
    return st.lists(st.one_of(picture, picture, picture, st.binary(max_size=40), texts), max_size=12)


def fuzz_socket(running: Running, pictures: Sequence[tuple[Format, bytes]], examples: int) -> int:
    """Connections with any messages; each is answered sensibly, and the session ends as it should. Give how many
    messages were sent."""
    sent = 0
    with running.client() as client:

        @settings(**_settings(examples))
        @given(messages(pictures))
        def send(contents: list[bytes | str]) -> None:
            nonlocal sent
            session = _opened(client)
            received = []
            with connect(running.websocket(session)) as socket:
                with contextlib.suppress(ConnectionClosed):
                    for content in contents:
                        socket.send(content)
                        sent += 1
                    socket.send('{"op": "finish"}')
                    while True:
                        received.append(json.loads(socket.recv(PATIENCE_S)))
                assert socket.close_code == 1000, (socket.close_code, received[-2:])
            for one in received:
                if "specversion" in one:
                    validate_event(one)
                else:
                    validate(one, "server.problem")
                    assert one["status"] < 500, one
            events = [one for one in received if "specversion" in one]
            assert events[-1]["type"] == "fitsense.session.ended"
            assert events[-1]["data"]["reason"] == "finished"
            client.delete(f"/v1/sessions/{session}")

        send()
    return sent


def _opened(client: httpx2.Client) -> str:
    """A session's id. A server that is full of unused sessions has room after their idle timeout."""
    answers = []

    def taken() -> bool:
        answers.append(client.post("/v1/sessions", json={"hop_s": 0.5}))
        return answers[-1].status_code != 503

    until(taken)
    assert answers[-1].status_code == 201, answers[-1].text
    return str(answers[-1].json()["id"])


def some_pictures() -> list[tuple[Format, bytes]]:
    """Pictures of each kind, and a video that continues."""
    from fitsense.server.api.wire import HEADER_BYTES
    from tests.server.api.test_websocket import encoded
    from tests.server.conftest import image

    frames = list(FigureVideo(bouts=(Bout("squat", 1, 0.4),), rate_hz=10.0, size=(96, 64)))
    pictures = [(Format.IMAGE, image(frames[0].rgb, kind)) for kind in ("JPEG", "WEBP")]
    for kind, codec in ((Format.H264, "libx264"), (Format.VP8, "libvpx")):
        pictures += [(kind, message[HEADER_BYTES:]) for message in encoded(frames, codec, kind)]
    return pictures


@contextlib.contextmanager
def server() -> Iterator[tuple[Running, int]]:
    """A server in a separate process, and the number of that."""
    with tempfile.TemporaryDirectory() as folder:
        config, log = Path(folder) / "serve.toml", Path(folder) / "log"
        config.write_text(_CONFIG)
        with process("--config", str(config), "--log-level", "error", log=log) as (running, child):
            yield running, child.pid
        if text := log.read_text():
            raise click.ClickException(f"the server logged errors:\n{text[-3000:]}")


def _settings(examples: int) -> dict[str, Any]:
    return {
        "max_examples": examples,
        "deadline": None,
        "derandomize": False,
        "database": None,
        "phases": [Phase.generate, Phase.shrink],
        "suppress_health_check": list(HealthCheck),
    }


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB, on Linux."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@click.command()
@click.option("--examples", default=300, show_default=True, help="For each kind of request, and of connections.")
@click.option("--rounds", default=3, show_default=True)
def main(examples: int, rounds: int) -> None:
    """Send a server whatever comes to mind, and see that it stays well."""
    pictures = some_pictures()
    with server() as (running, pid):
        sizes = []
        for number in range(1, rounds + 1):
            requests = fuzz_http(running, examples)
            sent = fuzz_socket(running, pictures, examples)
            sizes.append(resident_mb(pid))
            click.echo(f"round {number}: {requests} requests, {sent} messages, {sizes[-1]:.0f} MB")
        with httpx2.Client(base_url=running.url) as client:
            assert client.get("/readyz").status_code == 200
        if rounds > 1 and sizes[-1] - sizes[0] > _MAX_GROWN_MB:
            raise click.ClickException(f"it grew from {sizes[0]:.0f} to {sizes[-1]:.0f} MB")


if __name__ == "__main__":
    main()
