"""Reference to a file that fitsense downloads, such as published weights."""

from __future__ import annotations

import attrs


@attrs.frozen
class WeightsRef:
    """Origin of a file, such as published weights.

    :param uri: an ``https://`` address, or another form that a plugin's ``fitsense_resolve_weights`` resolves.
    :param sha256: hexadecimal digest of the file; None if its publisher gives none.
    :param license: SPDX identifier, or the publisher's text.
    :param bytes: size of the file, which ``fitsense models pull`` states before it downloads; None if unknown.
    """

    uri: str
    sha256: str | None = None
    license: str = ""
    bytes: int | None = None
