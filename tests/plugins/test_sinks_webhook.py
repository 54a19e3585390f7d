"""The webhook against a real server, whose requests another implementation verifies."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from fitsense import BackoffConfig, Delivery, DeliveryConfig, DeliveryCounts, DeliveryError, InvalidInputError
from fitsense.events.schema import validate_event
from fitsense_sinks.config import WebhookConfig
from fitsense_sinks.webhook import Webhook, _message
from tests.helpers.http_receiver import Answer, Receiver, event, until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
FAST = DeliveryConfig(backoff=BackoffConfig(0.01, 0.05), flush_timeout_s=30.0)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSENSE_WEBHOOK_SECRET", SECRET)


def delivering(url: str, delivery: DeliveryConfig = FAST, **config: Any) -> Delivery:
    settings = WebhookConfig(url=url, **config)
    return Delivery(Webhook(settings), "webhook", delivery, batch=settings.max_events())


def numbers(receiver: Receiver) -> list[int]:
    return [int(json.loads(body)["id"]) for body in receiver.bodies]


def test_webhook_structured_signature_is_verified() -> None:
    with Receiver() as receiver:
        with delivering(receiver.url) as delivery:
            for number in range(3):
                delivery.put(event(number, subject="person 1"))
        assert delivery.counts == DeliveryCounts(total=3, delivered=3)
    assert numbers(receiver) == [0, 1, 2]
    for number, request in enumerate(receiver.requests):
        assert (request.method, request.path) == ("POST", "/events")
        assert request.headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
        received = Verifier(SECRET).verify(request.body, dict(request.headers))
        assert received == event(number, subject="person 1").to_dict()
        validate_event(received)
        with pytest.raises(WebhookVerificationError):
            Verifier(OTHER).verify(request.body, dict(request.headers))
        with pytest.raises(WebhookVerificationError):
            Verifier(SECRET).verify(request.body + b" ", dict(request.headers))
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 3


def test_webhook_secret_file_replaces_variable(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{OTHER} {SECRET}\n")
    with Receiver() as receiver, delivering(receiver.url, secret_file=str(file)) as delivery:
        delivery.put(event(0))
    (request,) = receiver.requests
    for one in (SECRET, OTHER):
        Verifier(one).verify(request.body, dict(request.headers))


def test_webhook_unsigned_request_has_id() -> None:
    with Receiver() as receiver, delivering(receiver.url, signed=False) as delivery:
        delivery.put(event(0))
    (request,) = receiver.requests
    assert "webhook-id" in request.headers
    assert "webhook-signature" not in request.headers


def test_webhook_binary_event_has_attributes_in_headers() -> None:
    sent = event(4, source="urn:gym:Übung 1", subject='100 % "Ada"')
    with Receiver() as receiver, delivering(receiver.url, mode="binary") as delivery:
        delivery.put(sent)
    (request,) = receiver.requests
    Verifier(SECRET).verify(request.body, dict(request.headers))
    read = {name[3:]: unquote(value) for name, value in request.headers.items() if name.startswith("ce-")}
    read = {**read, "datacontenttype": request.headers["content-type"], "data": json.loads(request.body)}
    assert read == sent.to_dict()
    assert request.headers["ce-subject"] == "100%20%25%20%22Ada%22"
    assert request.headers["ce-source"] == "urn:gym:%C3%9Cbung%201"


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"), min_size=1))
def test_webhook_binary_headers_round_trip(source: str, subject: str) -> None:
    headers, _ = _message([event(1, source=source, subject=subject)], "binary")
    assert all(0x20 < ord(character) < 0x7F for character in headers["ce-source"] + headers["ce-subject"])
    assert (unquote(headers["ce-source"]), unquote(headers["ce-subject"])) == (source, subject)


def test_webhook_batch_contains_queued_events() -> None:
    with Receiver(Answer(503), Answer(delay_s=0.1)) as receiver:
        with delivering(receiver.url, mode="batched", batch=4) as delivery:
            for number in range(10):
                delivery.put(event(number))
        assert delivery.counts.delivered == 10
    first, again, *rest = receiver.requests
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])
    batches = [json.loads(request.body) for request in (again, *rest)]
    assert [one for batch in batches for one in batch] == [event(number).to_dict() for number in range(10)]
    assert all(1 <= len(batch) <= 4 for batch in batches)
    for request in receiver.requests:
        assert request.headers["content-type"] == "application/cloudevents-batch+json; charset=UTF-8"
        Verifier(SECRET).verify(request.body, dict(request.headers))


def test_webhook_failed_request_is_repeated_with_same_id() -> None:
    answers = [Answer(500), Answer(0), Answer(429, {"retry-after": "1"}), Answer(503, {"retry-after": formatdate(0)})]
    with Receiver(*answers) as receiver:
        with delivering(receiver.url) as delivery:
            for number in range(3):
                delivery.put(event(number))
            until(lambda: len(receiver.requests) == 7)
        assert delivery.counts == DeliveryCounts(total=3, delivered=3)
    assert numbers(receiver) == [0, 0, 0, 0, 0, 1, 2]
    assert len({request.headers["webhook-id"] for request in receiver.requests[:5]}) == 1
    # As long as it was asked to wait, and not a hundred years for a date that is long past, or one that is none.
    assert receiver.requests[3].time_s - receiver.requests[2].time_s >= 1.0
    for request in receiver.requests:
        Verifier(SECRET).verify(request.body, dict(request.headers))


UNREADABLE = [
    *("soon", "-1", "1e999", "9" * 5000, "Mon, 99 Foo 2026 99:99:99 GMT", "Wed, 21 Oct 99999999999 07:28:00 GMT"),
    *("\xff\xfe", "Fri, 31 Dec 9999 23:59:59 -9999", "1, 2", "\u00b2", " "),
]


@pytest.mark.parametrize("status", [204, 503])
@pytest.mark.parametrize("retry_after", UNREADABLE)
def test_webhook_invalid_retry_after_uses_status(status: int, retry_after: str) -> None:
    with Receiver(Answer(status, {"retry-after": retry_after})) as receiver:
        sink = Webhook(WebhookConfig(url=receiver.url))
        if status == 204:
            sink.send([event(0)])
        else:
            with pytest.raises(DeliveryError, match="answered with 503") as caught:
                sink.send([event(0)])
            assert caught.value.retryable
            # Those of many digits ask for a day at most.
            assert caught.value.retry_after_s <= 86400.0
        sink.close()


class Dripping:
    """A receiver that takes one request and answers it byte by byte, for as long as the connection stands."""

    def __init__(self, start: bytes, drip: bytes) -> None:
        self.broken_off = threading.Event()
        self._start, self._drip = start, drip
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(1 << 20)
            with contextlib.suppress(OSError):
                connection.sendall(self._start)
                while not self.broken_off.wait(0.01):
                    connection.sendall(self._drip)
        self.broken_off.set()

    def __enter__(self) -> Dripping:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.broken_off.wait(30.0)
        self._thread.join()
        self._listener.close()


@pytest.mark.parametrize(
    ("start", "drip"), [(b"", b"H"), (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), (b"HTTP/1.1 200 OK\r\nx: ", b"y")]
)
def test_webhook_slow_headers_time_out(start: bytes, drip: bytes) -> None:
    """The receiver sends each part within the timeout, but never the whole answer."""
    with Dripping(start, drip) as receiver:
        sink = Webhook(WebhookConfig(url=receiver.url, timeout_s=0.3))
        with pytest.raises(DeliveryError, match=r"no answer .* within 0\.3 s|cannot be reached") as caught:
            sink.send([event(0)])
        assert caught.value.retryable
        assert receiver.broken_off.wait(30.0)
        sink.close()


def test_webhook_slow_body_is_delivered() -> None:
    with Dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", b"z") as receiver:
        sink = Webhook(WebhookConfig(url=receiver.url, timeout_s=0.3))
        sink.send([event(0)])
        assert receiver.broken_off.wait(30.0)
        sink.close()


def test_webhook_slow_receiver_may_get_event_twice() -> None:
    with Receiver(Answer(delay_s=0.5)) as receiver, delivering(receiver.url, timeout_s=0.1) as delivery:
        for number in range(20):
            delivery.put(event(number))
        assert delivery.counts.waiting > 0
        until(lambda: delivery.counts.delivered == 20)
    assert numbers(receiver)[:2] == [0, 0]
    assert list(dict.fromkeys(numbers(receiver))) == list(range(20))


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_webhook_permanent_error_is_refused(status: int) -> None:
    with Receiver(Answer(status)) as receiver:
        with delivering(receiver.url) as delivery:
            delivery.put(event(0))
            delivery.put(event(1))
        assert delivery.counts == DeliveryCounts(total=2, delivered=1, refused=1)
    assert numbers(receiver) == [0, 1]


def test_webhook_redirect_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as elsewhere, Receiver(Answer(307, {"location": elsewhere.url})) as receiver:
        with delivering(receiver.url) as delivery:
            delivery.put(event(0))
        assert delivery.counts.refused == 1
    assert not elsewhere.requests
    assert "answered with 307, and redirects are not followed" in caplog.text


def test_webhook_gone_receiver_gets_no_request() -> None:
    with Receiver(Answer(410)) as receiver:
        with delivering(receiver.url) as delivery:
            for number in range(3):
                delivery.put(event(number))
        assert delivery.counts == DeliveryCounts(total=3, refused=3)
    assert len(receiver.requests) == 1


def test_webhook_restarted_receiver_gets_missed_events(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as first:
        delivery = delivering(first.url + "/a-secret-path")
        for number in range(3):
            delivery.put(event(number))
        until(lambda: delivery.counts.delivered == 3)
    for number in range(3, 6):
        delivery.put(event(number))
    until(lambda: "cannot be reached" in caplog.text)
    with Receiver(port=first.port) as second:
        until(lambda: delivery.counts.delivered == 6)
        delivery.close()
    assert numbers(first) + numbers(second) == list(range(6))
    assert "it delivers again" in caplog.text
    assert "a-secret-path" not in caplog.text


def test_webhook_missing_receiver_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    delivery = delivering(f"http://127.0.0.1:{port}/", attrs.evolve(FAST, queue_size=5, flush_timeout_s=0.2))
    for number in range(20):
        delivery.put(event(number))
    counts = delivery.close()
    assert counts.delivered == counts.refused == 0
    assert counts.dropped + counts.waiting == counts.total == 20
    assert counts.waiting <= 6
    assert "20 of 20 events not delivered" in caplog.text


def test_webhook_untrusted_server_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    try:
        subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: apt-get install openssl")
    with Receiver() as receiver:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        receiver._server.socket = context.wrap_socket(receiver._server.socket, server_side=True)
        url = receiver.url.replace("http:", "https:")
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            Webhook(WebhookConfig(url=url)).send([event(0)])
        assert not receiver.requests
        sink = Webhook(WebhookConfig(url=url, ca_file=str(certificate)))
        sink.send([event(1)])
        sink.close()
    assert numbers(receiver) == [1]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "url"),
        ("ftp://host", "https://host"),
        ("https://", "https://host"),
        ("https://host:port/", "https://host"),
        ("https://user:password@host/", "no password"),
    ],
)
def test_webhook_invalid_url_error_hides_secrets(url: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as refusal:
        Webhook(WebhookConfig(url=url))
    assert "user:password" not in str(refusal.value)


@pytest.mark.parametrize("text", ["whsec_c2hvcnQ=", "whsec_no base64", SECRET[6:], f"{SECRET} x"])
def test_webhook_invalid_secret_error_hides_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSENSE_WEBHOOK_SECRET", text)
    with pytest.raises(InvalidInputError, match="expected whsec_ and base64") as refusal:
        Webhook(WebhookConfig(url="https://host"))
    assert text not in str(refusal.value)


def test_webhook_without_secret_names_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FITSENSE_WEBHOOK_SECRET")
    with pytest.raises(InvalidInputError, match="set the environment variable FITSENSE_WEBHOOK_SECRET"):
        Webhook(WebhookConfig(url="https://host"))
    with pytest.raises(InvalidInputError, match="expected a file with a secret"):
        Webhook(WebhookConfig(url="https://host", secret_file=str(tmp_path / "none")))
    with pytest.raises(InvalidInputError, match="PEM"):
        Webhook(WebhookConfig(url="https://host", signed=False, ca_file=str(tmp_path / "none")))
    for settings in ({"batch": 0}, {"timeout_s": 0.0}):
        with pytest.raises(InvalidInputError, match=next(iter(settings))):
            WebhookConfig(**settings)


def test_webhook_without_package_names_extra() -> None:
    program = (
        "import sys; sys.modules['urllib3'] = None; sys.modules['paho'] = None\n"
        "import fitsense\n"
        "for name in ('webhook', 'mqtt'):\n"
        "    try: fitsense.open_sink(name)\n"
        "    except fitsense.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "fitsense[webhook]" in done.stdout
    assert "fitsense[mqtt]" in done.stdout
