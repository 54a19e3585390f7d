"""Identifies the session and the bundle that a snapshot belongs to."""

from __future__ import annotations

import attrs

from fitsense._internal.hashing import sha256
from fitsense.bundles.manifest import MANIFEST
from fitsense.errors import InvalidInputError, UnknownNameError
from fitsense.inference.model import Model
from fitsense.session.config import SessionConfig


@attrs.frozen
class SnapshotHeader:
    """Contents of a snapshot besides the states of components.

    :param config: configuration of the session, or of all sessions.
    :param model: digest of the bundle, see :func:`bundle_digest`.
    :param subject: subject of a single session's events.
    :param absent_s: of several sessions, as for :class:`fitsense.MultiSession`; None for a single one.
    """

    config: SessionConfig
    model: str
    subject: str | None = None
    absent_s: float | None = None

    def check_bundle(self, model: Model) -> None:
        """Refuse a model of another bundle, or one without the session's pose estimator.

        :raises InvalidInputError: the snapshot is of another bundle, or of an estimator that no plugin offers.
        """
        if self.model != bundle_digest(model):
            raise InvalidInputError("snapshot: expected one of a session of the same bundle, got one of another")
        if (estimator := self.config.pose.estimator) is not None:
            try:
                model.plugins.full_name("pose estimator", estimator)
            except UnknownNameError as error:
                raise InvalidInputError(f"snapshot: pose.estimator: {error}") from error


def bundle_digest(model: Model) -> str:
    """Digest of the model's bundle: of its ``model.json``, which states the sha256 of all other files."""
    return sha256(model.bundle.folder / MANIFEST)
