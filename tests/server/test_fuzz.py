"""A short run of ``python -m tests.server.fuzz``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import fitsense
from fitsense.server.config import Limits, ServeConfig
from tests.helpers.live_server import Running, serving
from tests.server.fuzz import fuzz_http, fuzz_socket, some_pictures


@pytest.fixture(scope="module")
def robust(model: fitsense.Model) -> Iterator[Running]:
    limits = Limits(sessions=4, idle_s=2, keep_s=2, requests_per_s=100_000, rate_hz=100_000)
    with serving(model, ServeConfig(limits=limits)) as running:
        yield running


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fuzz_any_request_gives_documented_response(robust: Running) -> None:
    assert fuzz_http(robust, examples=6) > 30


def test_fuzz_any_message_is_accepted_or_refused(robust: Running) -> None:
    assert fuzz_socket(robust, some_pictures(), examples=10) > 10
