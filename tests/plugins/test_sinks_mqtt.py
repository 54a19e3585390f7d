"""The sink for brokers against a real mosquitto, which is killed in the middle."""

from __future__ import annotations

import gc
import json
import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from fitsense import BackoffConfig, Delivery, DeliveryConfig, DeliveryCounts, DeliveryError, InvalidInputError
from fitsense.events.schema import validate_event
from fitsense_sinks.config import MqttConfig
from fitsense_sinks.mqtt import Mqtt, topic
from tests.helpers.http_receiver import PATIENCE_S, event, until

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
FAST = DeliveryConfig(backoff=BackoffConfig(0.02, 0.1), flush_timeout_s=30.0)


class Broker:
    """A mosquitto on a separate port, that can be killed and started again."""

    def __init__(self, folder: Path, *settings: str, options: str = "") -> None:
        if MOSQUITTO is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self._file = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", options, "persistence false", "user root", *settings]
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._file)], stderr=subprocess.DEVNULL)
        until(self._listens)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto did not start"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Takes down all that a broker has; a context manager."""

    def __init__(self, port: int, **login: str) -> None:
        self.messages: list[MQTTMessage] = []
        self._there: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        if login:
            self._client.username_pw_set(**login)
        self._client.on_message = lambda client, data, message: self.messages.append(message)
        self._client.on_connect = lambda client, *rest: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *details: self._there.put(details)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def numbers(self) -> list[int]:
        return [int(json.loads(message.payload)["id"]) for message in self.messages]

    def __enter__(self) -> Subscriber:
        self._there.get(timeout=PATIENCE_S)
        return self

    def __exit__(self, *details: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true")
    yield broker
    broker.kill()


def delivering(url: str, delivery: DeliveryConfig = FAST, **config: Any) -> Delivery:
    settings = MqttConfig(url=url, **config)
    return Delivery(Mqtt(settings), "mqtt", delivery, batch=settings.max_events())


def test_mqtt_events_arrive_in_order(broker: Broker) -> None:
    with Subscriber(broker.port) as subscriber:
        with delivering(broker.url) as delivery:
            for number in range(50):
                delivery.put(event(number, source="file:a/b.mp4"))
        assert delivery.counts == DeliveryCounts(total=50, delivered=50)
        until(lambda: len(subscriber.messages) == 50)
    assert subscriber.numbers == list(range(50))
    for number, message in enumerate(subscriber.messages):
        received = json.loads(message.payload)
        validate_event(received)
        assert received == event(number, source="file:a/b.mp4").to_dict()
        assert message.topic == "fitsense/file:a%2Fb.mp4/fitsense.session.warning"
        assert message.qos == 1
        assert message.properties is not None
        properties = message.properties.json()  # type: ignore[no-untyped-call]
        assert properties["ContentType"] == "application/cloudevents+json; charset=UTF-8"


def test_mqtt_restarted_broker_gets_missed_events(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with delivering(broker.url) as delivery:
        with Subscriber(broker.port) as before:
            for number in range(10):
                delivery.put(event(number))
            until(lambda: delivery.counts.delivered == 10)
            until(lambda: len(before.messages) == 10)
        broker.kill()
        for number in range(10, 40):
            delivery.put(event(number))
        until(lambda: "cannot be reached" in caplog.text)
        broker.start()
        # The first queued events may arrive before the subscription.
        until(lambda: delivery.counts.delivered == 40)
        with Subscriber(broker.port) as after:
            for number in range(40, 50):
                delivery.put(event(number))
            until(lambda: len(after.messages) == 10)
    assert delivery.counts == DeliveryCounts(total=50, delivered=50)
    assert (before.numbers, after.numbers) == (list(range(10)), list(range(40, 50)))
    assert "it delivers again" in caplog.text


def test_mqtt_killed_busy_broker_keeps_acknowledged_events(broker: Broker) -> None:
    delivery = delivering(broker.url)
    numbers: list[int] = []
    feeding = threading.Thread(target=lambda: list(delivery.tee(map(event, range(1000)))))
    with Subscriber(broker.port) as subscriber:
        feeding.start()
        until(lambda: len(subscriber.messages) > 100)
        broker.kill()
        numbers += subscriber.numbers
    feeding.join()
    broker.start()
    assert delivery.close() == DeliveryCounts(total=1000, delivered=1000)
    assert list(dict.fromkeys(numbers)) == list(range(max(numbers) + 1))


def test_mqtt_password_from_environment_or_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = tmp_path / "passwords"
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "ada", "right"], check=True, capture_output=True)
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    try:
        monkeypatch.setenv("FITSENSE_MQTT_PASSWORD", "wrong")
        with pytest.raises(DeliveryError, match="Not authorized") as refusal:
            Mqtt(MqttConfig(url=broker.url, username="ada")).send([event(0)])
        assert "wrong" not in str(refusal.value)
        (tmp_path / "password").write_text("right\n")
        with Subscriber(broker.port, username="ada", password="right") as subscriber:
            sink = Mqtt(MqttConfig(url=broker.url, username="ada", password_file=str(tmp_path / "password")))
            sink.send([event(1)])
            sink.close()
            monkeypatch.setenv("FITSENSE_MQTT_PASSWORD", "right")
            sink = Mqtt(MqttConfig(url=broker.url, username="ada", topic="people/{subject}"))
            sink.send([event(2, subject="person/1"), event(3)])
            sink.close()
            until(lambda: len(subscriber.messages) == 3)
    finally:
        broker.kill()
    assert subscriber.numbers == [1, 2, 3]
    assert [message.topic for message in subscriber.messages[1:]] == ["people/person%2F1", "people/-"]


def test_mqtt_forbidden_event_is_refused_alone(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic write allowed/#\n")
    rules.chmod(0o600)
    broker = Broker(tmp_path, "allow_anonymous true", f"acl_file {rules}")
    try:
        sink = Mqtt(MqttConfig(url=broker.url, topic="{source}/x"))
        with pytest.raises(DeliveryError, match="Not authorized") as refusal:
            sink.send([event(0, source="forbidden")])
        assert not refusal.value.retryable
        sink.send([event(1, source="allowed")])
        sink.close()
        with delivering(broker.url, topic="{source}/x") as delivery:
            for number in range(100):
                delivery.put(event(number, source="forbidden" if number % 10 == 5 else "allowed"))
        assert delivery.counts == DeliveryCounts(total=100, delivered=90, refused=10)
    finally:
        broker.kill()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mqtt_untrusted_broker_is_refused(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    broker = Broker(tmp_path, "allow_anonymous true", options=f"certfile {certificate}\nkeyfile {key}")
    url = broker.url.replace("mqtt:", "mqtts:")
    try:
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED") as refusal:
            Mqtt(MqttConfig(url=url)).send([event(0)])
        # paho leaves the socket to the garbage collector, which says so.
        del refusal
        gc.collect()
        sink = Mqtt(MqttConfig(url=url, ca_file=str(certificate)))
        sink.send([event(1)])
        sink.close()
    finally:
        broker.kill()


def test_mqtt_silent_broker_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        delivery = delivering(url, attrs.evolve(FAST, flush_timeout_s=0.3), timeout_s=0.1)
        delivery.put(event(0))
        assert delivery.close() == DeliveryCounts(total=1, waiting=1)
        until(lambda: not delivery._thread.is_alive())


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.none() | st.text(st.characters(codec="utf-8")))
def test_topic_any_event_has_levels_of_template(source: str, subject: str | None) -> None:
    levels = topic("a/{source}/{type}/{subject}", event(0, source=source, subject=subject)).split("/")
    assert len(levels) == 4
    assert all(level and not set(level) & set("+#\0") for level in levels)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"url": "https://host"}, "mqtts://host"),
        ({"url": "mqtt://ada:right@host"}, "no password"),
        ({"url": "mqtt://host/topic"}, "set the topic as topic"),
        ({"topic": ""}, "topic"),
        ({"topic": "$SYS/x"}, "topic"),
        ({"topic": "a/#"}, "topic"),
        ({"topic": "a/{sequence}"}, "{source}"),
        ({"topic": "a/{source.x}"}, "{source}"),
        ({"topic": "a/{source!r}"}, "{source}"),
        ({"topic": "a/{source"}, "topic"),
        ({"ca_file": "/nowhere", "url": "mqtts://host"}, "PEM"),
        ({"certificate_file": "/nowhere", "url": "mqtts://host"}, "PEM"),
        ({"password_file": "/nowhere"}, "expected a file with a secret"),
    ],
)
def test_mqtt_invalid_config_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        Mqtt(MqttConfig(**{"url": "mqtt://host", **config}))
