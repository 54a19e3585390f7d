"""Environment variable ``FITSENSE_OFFLINE``, which forbids every download."""

from __future__ import annotations

import os

from fitsense.errors import InvalidInputError, WeightsError

OFFLINE_VARIABLE = "FITSENSE_OFFLINE"

_ON, _OFF = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def is_offline() -> bool:
    """True if ``FITSENSE_OFFLINE`` forbids downloads.

    :raises InvalidInputError: the variable's value is neither true nor false.
    """
    value = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    if value not in (*_ON, *_OFF):
        raise InvalidInputError(f"{OFFLINE_VARIABLE}: expected 1 or 0, got {value!r}")
    return value in _ON


def refuse_offline(what: str) -> None:
    """Refuse a download if ``FITSENSE_OFFLINE`` forbids it.

    :param what: name of the download, for the message.
    :raises WeightsError: downloads are forbidden.
    :raises InvalidInputError: the variable's value is neither true nor false.
    """
    if is_offline():
        raise WeightsError(
            f"{what}: not downloaded, because {OFFLINE_VARIABLE} is set; run  fitsense models pull  without it "
            "while there is a network, or copy the file to this machine and run  fitsense models pull NAME --from FILE"
        )
