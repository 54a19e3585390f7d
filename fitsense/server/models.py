"""The models of a server, loaded once and shared by all sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.inference.model import Model, load_model
from fitsense.inference.people import PeopleSource, load_people
from fitsense.plugins._manager import PluginManager
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.config import ServeConfig
from fitsense.server.engine.batch_worker import batch_sizes


class Bundles:
    """Models by the name in their ``model.json``.

    :param models: models to serve; the first is the default.
    :param detector: name of the pose estimator or person detector that finds people.
    :raises InvalidInputError: two models have the same name.
    """

    def __init__(self, models: Iterable[Model], detector: str) -> None:
        self._models: dict[str, Model] = {}
        for model in models:
            name = model.manifest.name
            if name in self._models:
                raise InvalidInputError(f"bundles: expected different ones, got two that are called {name}")
            self._models[name] = model
        self._detector = detector
        self._people: PeopleSource | None = None

    @classmethod
    def load(cls, config: ServeConfig) -> Bundles:
        """Load the bundles of a configuration and run each once, so that no session waits for compilation.

        :raises BundleError: a bundle is missing, altered or malformed.
        """
        plugins = PluginManager.discover()
        models = [load_model(bundle, plugins=plugins, threads=config.threads) for bundle in config.bundles]
        for model in models:
            for size in batch_sizes(config.batch):
                model.predict_clips(
                    {name: np.zeros((size, *spec.shape), np.uint8) for name, spec in model.clips.items()}
                )
        return cls(models, config.detector)

    @property
    def models(self) -> Mapping[str, Model]:
        """All models by name."""
        return self._models

    @property
    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """JSON Schemas that plugins of the models publish, by name."""
        return {name: schema for model in self._models.values() for name, schema in model.plugins.schemas().items()}

    @property
    def event_schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """Schemas of the events that plugins of the models add, by event type."""
        return {
            type_: offer.schema
            for model in self._models.values()
            for type_, offer in model.plugins.event_schemas().items()
        }

    def model(self, name: str | None) -> Model:
        """The model with a name.

        :param name: None for the default.
        :raises ProblemError: there is none.
        """
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise ProblemError(ProblemType.INVALID, f"bundle: expected one of {', '.join(self._models)}, got {name!r}")
        return self._models[name]

    def people(self) -> PeopleSource:
        """The detector of people, loaded on first use.

        :raises ProblemError: it cannot be loaded.
        """
        if self._people is None:
            try:
                self._people = load_people(self._detector, next(iter(self._models.values())).plugins)
            except FitsenseError as error:
                raise ProblemError(
                    ProblemType.UNAVAILABLE, f"people: the server's detector cannot be used: {error}"
                ) from error
        return self._people
