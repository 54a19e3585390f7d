"""Access control: tokens, hosts, origins, and rates."""

from __future__ import annotations

import json
import logging
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import fitsense
from fitsense.cli import main
from fitsense.errors import InvalidInputError
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.log import JsonLines
from fitsense.server.security import Tokens, check_exposure, is_loopback, read_tokens
from fitsense.server.source_policy import SourcePolicy
from tests.helpers.http_answers import problem
from tests.helpers.live_server import Running, serving

TOKEN = "a-token.that_is-long~enough"
SITE = "https://app.example"


@pytest.fixture(scope="module")
def guarded(model: fitsense.Model) -> Iterator[Running]:
    config = ServeConfig(hosts=("gym.example",), origins=(SITE,))
    with serving(model, config, Tokens([TOKEN, "another-token-of-theirs"])) as running:
        yield running


def test_guard_without_token_allows_health_only(guarded: Running) -> None:
    with guarded.client() as client:
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        for path in ("/v1/sessions", "/metrics", "/openapi.json", "/v1/sessions/x/events", "/nope"):
            for headers in ({}, {"authorization": TOKEN}, {"authorization": "Bearer x"}, {"authorization": "Bearer"}):
                answer = client.get(path, headers=headers)
                assert "Authorization: Bearer TOKEN" in problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"] == "Bearer"
        for token in (TOKEN, "another-token-of-theirs"):
            assert client.get("/v1/sessions", headers={"authorization": f"bearer {token}"}).status_code == 200


def test_guard_websocket_token_in_header_or_subprotocol_is_accepted(guarded: Running) -> None:
    authorization = {"authorization": f"Bearer {TOKEN}"}
    with guarded.client(headers=authorization) as client:
        address = guarded.websocket(client.post("/v1/sessions", json={}).json()["id"])
    with connect(address, additional_headers=authorization):
        pass
    with connect(address, subprotocols=["fitsense.v1", f"fitsense.token.{TOKEN}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "fitsense.v1"
    for offered in (None, ["fitsense.v1"], ["fitsense.v1", "fitsense.token.x"]):
        with pytest.raises(InvalidStatus) as refused, connect(address, subprotocols=offered):  # type: ignore[arg-type]
            pass
        assert refused.value.response.status_code == 401


def test_guard_unknown_host_is_refused(guarded: Running, model: fitsense.Model) -> None:
    authorization = {"authorization": f"Bearer {TOKEN}"}
    with guarded.client(headers=authorization) as client:
        for host in ("gym.example", "GYM.example:8765", "localhost:1", "127.0.0.1", "[::1]:80"):
            assert client.get("/v1/sessions", headers={"host": host}).status_code == 200
        for host in ("evil.example", "gym.example.evil", "127.0.0.1.evil.example", "", "[::1", "a:b:c"):
            problem(client.get("/v1/sessions", headers={"host": host}), 403, "forbidden-host")


def test_guard_unknown_origin_is_refused(guarded: Running) -> None:
    authorization = {"authorization": f"Bearer {TOKEN}"}
    with guarded.client(headers=authorization) as client:
        own = f"http://127.0.0.1:{guarded.port}"
        for origin in (SITE, own):
            assert client.get("/v1/sessions", headers={"origin": origin}).status_code == 200
        shown = client.get("/v1/sessions", headers={"origin": SITE})
        assert shown.headers["access-control-allow-origin"] == SITE
        asked = {"origin": SITE, "access-control-request-method": "POST"}
        assert client.options("/v1/sessions", headers=asked).headers["access-control-allow-origin"] == SITE
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "https://app.example.evil", "http://["):
            answer = client.post("/v1/sessions", json={}, headers={"origin": origin})
            problem(answer, 403, "forbidden-origin")
            assert "access-control-allow-origin" not in answer.headers
        address = guarded.websocket(client.post("/v1/sessions", json={}).json()["id"])
    foreign = {**authorization, "origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=foreign):
        pass
    assert refused.value.response.status_code == 403


def test_guard_without_origins_refuses_other_sites(model: fitsense.Model) -> None:
    with serving(model, ServeConfig(limits=Limits(requests_per_s=2))) as running, running.client() as client:
        answer = client.get("/v1/sessions", headers={"origin": SITE})
        problem(answer, 403, "forbidden-origin")
        assert client.get("/v1/sessions").status_code == 200
        # A burst of six, then two per second.
        answers = [client.get("/v1/sessions") for _ in range(12)]
        refused = next(answer for answer in answers if answer.status_code != 200)
        assert "try again in" in problem(refused, 429, "too-many-requests")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "gym.example"])
def test_check_exposure_public_host_without_tokens_is_refused(host: str) -> None:
    with pytest.raises(InvalidInputError, match="tokens are needed: set FITSENSE_TOKENS"):
        check_exposure(ServeConfig(host=host), Tokens())
    check_exposure(ServeConfig(host=host), Tokens([TOKEN]))
    done = CliRunner().invoke(main, ["serve", "--host", host, "--port", "0"], env={"FITSENSE_TOKENS": ""})
    assert done.exit_code == 1
    assert "tokens are needed" in done.output


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_check_exposure_loopback_needs_no_tokens(host: str) -> None:
    assert is_loopback(host)
    check_exposure(ServeConfig(host=host), Tokens())


def test_read_tokens_file_and_environment_are_joined(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    first, second, third = (secrets.token_urlsafe(32) for _ in range(3))
    file.write_text(f"{first}\n\n{second}\n")
    tokens = read_tokens(str(file), {"FITSENSE_TOKENS": f" {third},{TOKEN}"})
    assert all(tokens.accepts(token) for token in (first, second, third, TOKEN))
    assert not any(tokens.accepts(token) for token in ("", first + second, first[:-1], "\udfff"))
    assert not read_tokens(None, {})
    for wrong in ("short", "with/slash-and-more-of-it", "é" * 20):
        with pytest.raises(InvalidInputError, match="token 1: expected 16 to 512 letters") as error:
            read_tokens(None, {"FITSENSE_TOKENS": wrong})
        assert wrong not in str(error.value)
    with pytest.raises(InvalidInputError, match="a file with a token a line"):
        read_tokens(str(tmp_path / "none"), {})


@given(st.lists(st.from_regex(r"\A[A-Za-z0-9._~-]{16,40}\Z"), max_size=5), st.text(max_size=40))
def test_tokens_accept_only_members(known: list[str], shown: str) -> None:
    tokens = Tokens(known)
    assert all(tokens.accepts(token) for token in known)
    assert tokens.accepts(shown) == (shown in known)


def test_serve_invalid_config_file_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    for text, words in (
        ("port = 'x'", "port"),
        ("prot = 1", "prot"),
        ("[limits]\nsessions = 0", "limits.sessions: expected a number above 0"),
        ("[sources]\n'A/b' = 'x'", "sources: expected names of a-z"),
        ("origins = ['*']", "origins: expected such as https://app.example"),
        ("= 1", "expected a configuration as TOML"),
        ("bundles = []", "bundles: expected at least one"),
        ("port = 0\n[sources]\nfilm = '/no/such/film.mp4'", "sources.film: expected a file, folder, camera or URL"),
    ):
        file.write_text(text)
        done = CliRunner().invoke(main, ["serve", "--config", str(file)])
        assert done.exit_code == 1, done.output
        assert words in done.output
    wrong = CliRunner().invoke(main, ["serve", "--source", "film.mp4"])
    assert wrong.exit_code == 2
    assert "expected NAME=WHAT" in wrong.output


def test_source_policy_indirect_addresses_are_read_and_hidden(tmp_path: Path) -> None:
    address = "rtsp://admin:S3cret@127.0.0.1:9/cam"
    (tmp_path / "camera").write_text(f"{address}\n")
    (tmp_path / "two").write_text(f"{address}\n{address}\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    config = ServeConfig(sources={"front": "env:FRONT", "back": f"@{tmp_path / 'camera'}", "film": "env:FILM"})
    film = tmp_path / "film.mp4"
    film.touch()
    sources = SourcePolicy(config, {"FRONT": f" {address} ", "FILM": str(film)})
    assert [sources.find(name).address for name in ("front", "back", "film")] == [address, address, str(film.resolve())]
    for what, words in (
        ("env:NONE", "sources.front: expected an address in the environment variable NONE, got none"),
        (f"@{tmp_path / 'none'}", "none: No such file"),
        (f"@{tmp_path / 'two'}", "one line, got 2"),
        (f"@{tmp_path / 'binary'}", "no UTF-8"),
        ("env:WRONG", "expected a file, folder, camera or URL, got env:WRONG"),
    ):
        with pytest.raises(InvalidInputError) as error:
            SourcePolicy(ServeConfig(sources={"front": what}), {"WRONG": "rtsp:/admin:S3cret@127.0.0.1:9/cam"})
        assert words in str(error.value)
        assert "S3cret" not in str(error.value)


def test_log_lines_redact_passwords() -> None:
    try:
        raise OSError("Connection refused: 'rtsp://admin:S3cret@127.0.0.1:9/cam'")
    except OSError:
        record = logging.LogRecord("test", logging.ERROR, "", 0, "rtsp://a:S3cret@h failed", (), sys.exc_info())
    record.fields = {"source": "http://b:S3cret@h/?key=S3cret", "number": 3}
    line = JsonLines().format(record)
    assert "S3cret" not in line
    assert json.loads(line)["number"] == 3
