"""A camera on the network, as a separate process: ``python -m tests.helpers.network_camera FILE PORT``.

It sends an MPEG-TS file's bytes when they are due, to any number of clients, each from the beginning: over HTTP without
a length, or as RTP packets in an RTSP connection. A URL's query changes how: with ``?stall=S`` it goes silent after S
seconds and keeps the connection; with ``?burst=S`` it sends S seconds at once, again and again, as segmented streams
come; with ``?mute`` it never says a word.
"""

from __future__ import annotations

import itertools
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import av

_TS_PACKET = 188
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"


class Camera:
    """The process, to be started and killed. Use it as a context manager."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it; again, at the port that it had."""
        command = [sys.executable, "-m", "tests.helpers.network_camera", str(self._file), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Stop the camera without closing connections, as a power cut would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()

    def url(self, query: str = "", protocol: str = "http") -> str:
        return f"{protocol}://127.0.0.1:{self.port}/live?{query}"

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


def timed(path: Path) -> list[tuple[float, bytes]]:
    """The file's bytes in pieces, each with the second at which it is due."""
    with av.open(str(path)) as container:
        marks = [
            (float(packet.dts * packet.time_base), packet.pos)
            for packet in container.demux(video=0)
            if packet.dts is not None and packet.pos is not None
        ]
    content = path.read_bytes()
    starts = [0, *(pos for _, pos in marks[1:])]
    return [
        (due_s - marks[0][0], content[start:end])
        for (due_s, _), start, end in zip(marks, starts, [*starts[1:], len(content)], strict=True)
    ]


def paced(pieces: Iterable[tuple[float, bytes]], query: str) -> Iterator[bytes]:
    """The pieces when they are due."""
    wishes = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", query)}
    began = time.monotonic()
    for due_s, piece in pieces:
        if due_s >= wishes.get("stall", float("inf")) or "mute" in query:
            time.sleep(3600)
        if "burst" in wishes:
            due_s -= due_s % wishes["burst"]
        time.sleep(max(0.0, began + due_s - time.monotonic()))
        yield piece


def attend(client: socket.socket, pieces: Iterable[tuple[float, bytes]]) -> None:
    with client:
        try:
            requests = _requests(client)
            request = next(requests)
            stream = paced(pieces, request.split(" ")[1])
            if request.startswith("GET"):
                if "mute" not in request:
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n")
                for piece in stream:
                    client.sendall(piece)
            else:
                _serve_rtsp(client, itertools.chain([request], requests), stream)
        except (OSError, StopIteration):
            # The client has gone.
            return


def _serve_rtsp(client: socket.socket, requests: Iterable[str], stream: Iterator[bytes]) -> None:
    """Serve the part of RFC 2326 that a player needs: MPEG-TS in RTP, interleaved with the dialogue."""
    for request in requests:
        method = request.split(" ", 1)[0]
        number = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
        more, body = "Session: 1\r\n", ""
        if method == "DESCRIBE":
            body = _SDP
            more += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        client.sendall(f"RTSP/1.0 200 OK\r\n{number}\r\n{more}\r\n{body}".encode())
        if method == "PLAY":
            break
    sequence = itertools.count()
    began = time.monotonic()
    for piece in stream:
        for start in range(0, len(piece), 7 * _TS_PACKET):
            payload = piece[start : start + 7 * _TS_PACKET]
            stamp = int((time.monotonic() - began) * 90_000) & 0xFFFFFFFF
            packet = struct.pack("!BBHII", 0x80, 33, next(sequence) & 0xFFFF, stamp, 1) + payload
            client.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)


def _requests(client: socket.socket) -> Iterator[str]:
    waiting = b""
    while block := client.recv(4096):
        waiting += block
        while b"\r\n\r\n" in waiting:
            request, waiting = waiting.split(b"\r\n\r\n", 1)
            yield request.decode()


def main(file: str, port: str) -> None:
    pieces = timed(Path(file))
    with socket.create_server(("127.0.0.1", int(port))) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            client, _ = server.accept()
            threading.Thread(target=attend, args=(client, pieces), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
