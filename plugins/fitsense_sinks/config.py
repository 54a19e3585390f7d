"""Configurations of the sinks. They name the environment variables or files with secrets, not the secrets."""

from __future__ import annotations

import math
from typing import Literal

import attrs

from fitsense import InvalidInputError

IN_FLIGHT = 20
"""Largest number of unacknowledged events, if the broker sets no smaller one."""


def _seconds(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value < math.inf:
        raise InvalidInputError(f"{attribute.name}: expected seconds above 0, got {value!r}")


@attrs.frozen
class WebhookConfig:
    """Configuration of a receiver of events by HTTP POST.

    :param url: ``https://…``, or ``http://…`` on a trusted network.
    :param mode: mode of the CloudEvents HTTP binding: ``structured``, one event per request; ``binary``, its data in
        the body and its attributes in headers; ``batched``, several events per request.
    :param batch: largest number of events in a batched request.
    :param timeout_s: longest duration of a request, from the connection to the end of the response.
    :param signed: whether to sign requests according to Standard Webhooks.
    :param secret_env: environment variable with the secret, ``whsec_`` and base64 of 24 to 64 bytes; several ones,
        separated by spaces, to replace a secret.
    :param secret_file: file with the secret, instead of the variable.
    :param ca_file: trusted PEM certificates, instead of those of the system.
    """

    url: str = ""
    mode: Literal["structured", "binary", "batched"] = "structured"
    batch: int = 50
    timeout_s: float = attrs.field(default=10.0, validator=_seconds)
    signed: bool = True
    secret_env: str = "FITSENSE_WEBHOOK_SECRET"
    secret_file: str | None = None
    ca_file: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.batch < 1:
            raise InvalidInputError(f"batch: expected at least 1, got {self.batch!r}")

    def max_events(self) -> int:
        """Largest number of events in one request."""
        return self.batch if self.mode == "batched" else 1


@attrs.frozen
class MqttConfig:
    """Configuration of an MQTT 5 broker; events are CloudEvents in structured mode, with quality of service 1.

    :param url: ``mqtts://host``, or ``mqtt://host`` on a trusted network; ``:port`` is optional.
    :param topic: topic of the events; ``{source}``, ``{type}`` and ``{subject}`` are those of the event, each as one
        level, with percent-encoding of special characters. The subject of an event without one is ``-``.
    :param client_id: id of the client; empty to let the broker choose one.
    :param timeout_s: longest wait for a connection, and for each acknowledgement, in seconds.
    :param username: user name; empty for none.
    :param password_env: environment variable with the password; unset for none.
    :param password_file: file with the password, instead of the variable.
    :param ca_file: trusted PEM certificates, instead of those of the system.
    :param certificate_file: PEM certificate of the client, for brokers that require one.
    :param key_file: key of the certificate, if it is in another file.
    """

    url: str = ""
    topic: str = "fitsense/{source}/{type}"
    client_id: str = ""
    timeout_s: float = attrs.field(default=10.0, validator=_seconds)
    username: str = ""
    password_env: str = "FITSENSE_MQTT_PASSWORD"
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def max_events(self) -> int:
        """Largest number of unacknowledged events."""
        return IN_FLIGHT
