"""MQTT sink: the MQTT binding of CloudEvents 1.0, in structured mode."""

from __future__ import annotations

import queue
import string
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fitsense import DeliveryError, Event, InvalidInputError
from fitsense_sinks.config import IN_FLIGHT, MqttConfig
from fitsense_sinks.secrets import address, secret, trust

_CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
_PORTS = {"mqtts": 8883, "mqtt": 1883}
_KEEP_ALIVE_S = 30
_FAILURE = 0x80
# Unspecified error, implementation-specific error, quota exceeded: worth a retry. Others reject the message.
_AGAIN = (0x80, 0x83, 0x97)
_FIELDS = ("source", "type", "subject")
# Characters of a level without escape, beside letters, digits and _.-~; topics use / + #, and escapes use %.
_PLAIN = ":@=,;!()'*"


class Mqtt:
    """Sink for an MQTT broker. An event is delivered when the broker acknowledges it.

    The next attempt replaces a lost connection.

    :raises InvalidInputError: the URL, the topic or a file is invalid.
    """

    def __init__(self, config: MqttConfig) -> None:
        parts = address(config.url, "mqtts", "mqtt")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise InvalidInputError("url: expected only a host and a port; set the topic as topic")
        _check_topic(config.topic)
        self._config = config
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._password = secret(config.password_env, config.password_file) or None
        self._tls = trust(config.ca_file) if parts.scheme == "mqtts" else None
        if self._tls is not None and config.certificate_file is not None:
            try:
                self._tls.load_cert_chain(config.certificate_file, config.key_file)
            except OSError as error:
                raise InvalidInputError(f"certificate_file: expected a PEM certificate and its key: {error}") from error
        self._connection: _Connection | None = None

    def send(self, events: Sequence[Event]) -> None:
        """Publish events and wait for the acknowledgements; errors as for :class:`fitsense.plugins.Sink`."""
        if self._connection is None or not self._connection.alive:
            self.close()
            self._connection = _Connection(self._client(), self._host, self._port, self._config.timeout_s)
        try:
            self._connection.publish([(topic(self._config.topic, event), event.to_json().encode()) for event in events])
        except DeliveryError:
            # No message of this attempt may follow those of the next.
            self.close()
            raise

    def close(self) -> None:
        """Disconnect from the broker."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, self._config.client_id, protocol=MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = self._config.timeout_s
        if self._config.username:
            client.username_pw_set(self._config.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


class _Connection:
    """One connection to the broker.

    :raises DeliveryError: the broker cannot be reached, or refuses the connection.
    """

    def __init__(self, client: Client, host: str, port: int, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._max_unacknowledged = IN_FLIGHT
        # Messages from the client's thread: the response to the connection with number 0, then acknowledgements with
        # the numbers of their messages; None when the connection is lost.
        self._received: queue.SimpleQueue[tuple[int, ReasonCode] | None] = queue.SimpleQueue()
        client.on_connect = self._on_connect
        client.on_publish = lambda client, data, number, reason, properties: self._received.put((number, reason))
        client.on_disconnect = self._on_disconnect
        try:
            client.connect(host, port, _KEEP_ALIVE_S)
        except (OSError, ValueError) as error:
            raise DeliveryError(f"the broker cannot be reached: {type(error).__name__}: {error}") from error
        client.loop_start()
        try:
            _, reason = self._next(time.monotonic() + timeout_s)
            if reason.value >= _FAILURE:
                raise DeliveryError(f"the broker refused the connection: {reason}")
        except DeliveryError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """True if the connection is open, as far as known."""
        return self._client.is_connected()

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish messages, given as topic and payload, and wait for all acknowledgements."""
        until_s = time.monotonic() + self._timeout_s
        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = _CONTENT_TYPE
        properties.PayloadFormatIndicator = 1
        unacknowledged: set[int] = set()
        for topic, body in messages:
            self._settle(unacknowledged, self._max_unacknowledged - 1, until_s)
            unacknowledged.add(self._client.publish(topic, body, 1, properties=properties).mid)
        self._settle(unacknowledged, 0, until_s)

    def _settle(self, unacknowledged: set[int], left: int, until_s: float) -> None:
        """Wait until at most `left` acknowledgements are outstanding."""
        while len(unacknowledged) > left:
            number, reason = self._next(until_s)
            unacknowledged.discard(number)
            if reason.value >= _FAILURE:
                raise DeliveryError(f"the broker refused an event: {reason}", retryable=reason.value in _AGAIN)

    def close(self) -> None:
        """Close the connection and end its thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._max_unacknowledged = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        self._received.put((0, reason))

    def _on_disconnect(self, *details: Any) -> None:
        self._received.put(None)

    def _next(self, until_s: float) -> tuple[int, ReasonCode]:
        try:
            received = self._received.get(timeout=max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            raise DeliveryError("the broker does not answer") from None
        if received is None:
            raise DeliveryError("the connection to the broker was lost")
        return received


def topic(template: str, event: Event) -> str:
    """Topic of an event; its values are escaped, so that they add no levels and no wildcards."""
    values = (event.source, event.type, event.subject or "-")
    return template.format_map({field: quote(value, safe=_PLAIN) for field, value in zip(_FIELDS, values, strict=True)})


def _check_topic(template: str) -> None:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidInputError(f"topic: expected such as fitsense/{{source}}, got {template!r}: {error}") from error
    for text, field, spec, conversion in parts:
        if any(character in text for character in "+#\0"):
            raise InvalidInputError(f"topic: expected no +, # or NUL, got {template!r}")
        if field is not None and (field not in _FIELDS or spec or conversion):
            raise InvalidInputError(f"topic: expected fields {{source}}, {{type}} or {{subject}}, got {template!r}")
    if not template or template.startswith("$"):
        raise InvalidInputError(f"topic: expected a topic that does not begin with $, got {template!r}")
