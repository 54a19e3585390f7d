"""Webhook sink: the HTTP binding of CloudEvents 1.0, signed according to Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import urllib3

from fitsense import DeliveryError, Event, InvalidInputError
from fitsense_sinks.config import WebhookConfig
from fitsense_sinks.deadline import Deadline
from fitsense_sinks.secrets import address, secret, trust

_PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64
# Characters that headers of the binary mode contain unescaped: printable ASCII except space, " and %.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
# Limit of a response body, which is ignored; a longer one closes the connection.
_ANSWER_BYTES = 65536
_GONE = 410
# Other statuses from 400 to 499 mean that a retry is useless.
_AGAIN = (408, 425, 429)
_SERVER_ERRORS = 500
# Longest accepted Retry-After, in seconds.
_MAX_PAUSE_S = 86400.0


class Webhook:
    """Sink for an HTTP receiver. An event is delivered when the receiver responds with 200 to 299.

    :raises InvalidInputError: the URL is invalid, or there is no secret.
    """

    def __init__(self, config: WebhookConfig) -> None:
        address(config.url, "https", "http")
        try:
            urllib3.util.parse_url(config.url)
        except urllib3.exceptions.LocationValueError:
            raise InvalidInputError("url: expected such as https://host, got an invalid one") from None
        self._config = config
        self._keys = _keys(config) if config.signed else ()
        self._gone = False
        self._pool = urllib3.PoolManager(
            maxsize=1,
            ssl_context=trust(config.ca_file),
            timeout=config.timeout_s,
            retries=False,
        )
        self._deadline = Deadline(config.timeout_s)
        self._pool.pool_classes_by_scheme = self._deadline.pools()

    def send(self, events: Sequence[Event]) -> None:
        """Send events in one request; errors as for :class:`fitsense.plugins.Sink`."""
        if self._gone:
            raise DeliveryError("the receiver is gone for good: it answered with 410", retryable=False)
        headers, body = _message(events, self._config.mode)
        headers = {**headers, **_signature(events, body, self._keys), "user-agent": "fitsense"}
        with self._deadline.running():
            status, retry_after = self._exchange(headers, body)
        if 200 <= status < 300:
            return
        self._gone = status == _GONE
        again = status in _AGAIN or status >= _SERVER_ERRORS
        hint = ", and redirects are not followed" if 300 <= status < 400 else ""
        raise DeliveryError(
            f"the receiver answered with {status}{hint}", retryable=again, retry_after_s=_seconds(retry_after)
        )

    def _exchange(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Send one request; return status and ``Retry-After``."""
        try:
            answer = self._pool.request(
                "POST", self._config.url, body=body, headers=headers, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            self._refuse_if_expired()
            raise DeliveryError(f"the receiver cannot be reached: {type(error).__name__}: {error}") from error
        with contextlib.closing(answer):
            # Truncated headers look like complete ones.
            self._refuse_if_expired()
            # Only the status counts; the body may be truncated.
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
                answer.read(_ANSWER_BYTES)
        return answer.status, answer.headers.get("Retry-After", "")

    def _refuse_if_expired(self) -> None:
        if self._deadline.expired:
            raise DeliveryError(f"no answer from the receiver within {self._config.timeout_s:g} s")

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()
        self._deadline.close()


def _message(events: Sequence[Event], mode: str) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of a request."""
    if mode == "batched":
        body = "[" + ",".join(event.to_json() for event in events) + "]"
        return {"content-type": "application/cloudevents-batch+json; charset=UTF-8"}, body.encode()
    (event,) = events
    if mode == "structured":
        return {"content-type": "application/cloudevents+json; charset=UTF-8"}, event.to_json().encode()
    document = event.to_dict()
    data, kind = document.pop("data"), document.pop("datacontenttype")
    attributes = {f"ce-{name}": quote(value, safe=_PLAIN) for name, value in document.items()}
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return {"content-type": kind, **attributes}, body.encode()


def _signature(events: Sequence[Event], body: bytes, keys: Sequence[bytes]) -> Mapping[str, str]:
    """Headers that authenticate the sender, and identify repeated requests.

    The id depends only on the contents: it is equal in all attempts, also of other processes.
    """
    digest = hashlib.sha256("\n".join(event.to_json() for event in events).encode()).hexdigest()
    name, now = f"msg_{digest[:32]}", str(int(time.time()))
    signed = f"{name}.{now}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    headers = {"webhook-id": name, "webhook-timestamp": now}
    return {**headers, "webhook-signature": " ".join(f"v1,{one}" for one in signatures)} if keys else headers


def _keys(config: WebhookConfig) -> Sequence[bytes]:
    texts = secret(config.secret_env, config.secret_file).split()
    if not texts:
        raise InvalidInputError(
            f"no secret to sign with: set the environment variable {config.secret_env}, name a secret_file, "
            f"or set signed = false"
        )
    return [_key(text) for text in texts]


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not (text.startswith(_PREFIX) and _MIN_BYTES <= len(key) <= _MAX_BYTES):
        # Without its value: secrets do not belong in logs.
        raise InvalidInputError(
            f"the secret: expected {_PREFIX} and base64 of {_MIN_BYTES} to {_MAX_BYTES} bytes, got another value"
        )
    return key


def _seconds(retry_after: str) -> float:
    """Delay that the receiver requests, in seconds; 0 if it is missing or invalid."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        # A number with more digits than a day has counts as a day.
        return min(float(text[:9]), _MAX_PAUSE_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - time.time()), _MAX_PAUSE_S)
