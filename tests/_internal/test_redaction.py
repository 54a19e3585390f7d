"""Passwords in addresses, which no text may repeat."""

from __future__ import annotations

import itertools

import pytest

from fitsense._internal.redaction import redact, redact_address

PASSWORDS = [
    "S3cret",
    "S3cret@home",
    "S3cret/1",
    "S3cret:2",
    "S3cret?x=1",
    "S3cret#",
    "%40S3cret",
    "S3cret'",
    'S3cret"',
]
ADDRESSES = [
    "rtsp://admin:{}@192.168.1.20:554/stream",
    "RTSPS://admin:{}@camera/stream?channel=1",
    "http://:{}@camera/video.mjpg",
    "https+custom.x-1://admin:{}@[::1]:80/",
    "mqtts://admin:{}@broker",
    "rtsp:/admin:{}@camera/stream",
    "admin:{}@camera/stream",
    "srt://camera:9000?passphrase={}",
    "http://camera/video?user=admin&pwd={}",
]


TEXTS = ["{}", "{}: cannot be opened", "expected a source, got '{}'", "front={}", "({})"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_redact_address_with_a_password_hides_it_and_keeps_the_rest(address: str) -> None:
    for password, text in itertools.product(PASSWORDS, TEXTS):
        in_query = "?" in address and "admin:" not in address
        if in_query and set(password) & set("'\"@#"):
            # They are written as %27 and the like there.
            continue
        redacted = redact(text.format(address.format(password)))
        assert "S3cret" not in redacted
        assert "***" in redacted
        if text.endswith("opened"):
            assert redacted.endswith(": cannot be opened")
        assert "camera" not in address or "camera" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://192.168.1.20:554/stream: cannot be opened as video: Connection refused",
        "front=http://camera:8080/video.mjpg",
        "squats.mp4: no such file",
        "C:\\videos\\squats.mp4: is empty (0 bytes)",
        "at 00:12:30 somebody@example.com wrote",
        "expected a number in 0..1, got 2: see https://example.com/a/b",
    ],
)
def test_redact_text_without_a_password_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_redact_address_of_a_file_is_left_as_it_is() -> None:
    assert redact_address("clips/a:b@c.mp4") == "clips/a:b@c.mp4"
    assert redact_address("rtsp://admin:S3cret@camera/1") == "rtsp://***@camera/1"
