"""How the sinks are configured. Secrets are in environment variables or files; here is only in which."""

from __future__ import annotations

import math
from typing import Literal

import attrs

from fitsense import InvalidInputError

IN_FLIGHT = 20
"""Events whose acknowledgements a broker may owe, unless it wants fewer."""


def _seconds(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value < math.inf:
        raise InvalidInputError(f"{attribute.name}: expected seconds above 0, got {value!r}")


@attrs.frozen
class WebhookConfig:
    """A receiver that takes events by HTTP POST.

    :param url: ``https://…``, or ``http://…`` where nobody else is on the way.
    :param mode: of the CloudEvents HTTP binding: ``structured``, an event a request; ``binary``, its data alone, the
        rest in headers; ``batched``, several events a request.
    :param batch: events of a batched request, at most.
    :param timeout_s: for how long one request may take as a whole, from the connection to the end of the answer.
    :param signed: whether requests are signed, as Standard Webhooks says.
    :param secret_env: the environment variable with the secret, ``whsec_`` and base64 of 24 to 64 bytes; several, with
        spaces between them, while one takes another's place.
    :param secret_file: a file with it, instead of the variable.
    :param ca_file: PEM certificates to trust, instead of the system's.
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

    def most(self) -> int:
        """Events of one request."""
        return self.batch if self.mode == "batched" else 1


@attrs.frozen
class MqttConfig:
    """A broker that speaks MQTT 5; events are CloudEvents in structured mode, with quality of service 1.

    :param url: ``mqtts://host``, or ``mqtt://host`` where nobody else is on the way; ``:port`` may follow.
    :param topic: where events go; ``{source}``, ``{type}`` and ``{subject}`` are the event's, each as one level, with
        percent-encoding of what has a meaning in topics. The subject is ``-`` where an event has none.
    :param client_id: what the broker knows the client by; empty to have it choose.
    :param timeout_s: for how long to wait for a connection, and for each acknowledgement.
    :param username: empty for none.
    :param password_env: the environment variable with the password; unset for none.
    :param password_file: a file with it, instead of the variable.
    :param ca_file: PEM certificates to trust, instead of the system's.
    :param certificate_file: PEM certificate of the client, for brokers that want one.
    :param key_file: its key, where it is not in the same file.
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

    def most(self) -> int:
        """Events that wait for their acknowledgement at once."""
        return IN_FLIGHT
