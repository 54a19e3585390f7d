"""What Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fitsense.sinks.delivery import Delivery

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16)


class Metrics:
    """A server's figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.frames = Counter("fitsense_frames", "Pictures that were analysed.", registry=registry)
        self.dropped = Counter(
            "fitsense_dropped_frames", "Pictures that were dropped, since analysis is slower.", registry=registry
        )
        self.refused = Counter("fitsense_refused_messages", "Pushed messages that were refused.", registry=registry)
        self.windows = Counter("fitsense_windows", "Windows that were predicted.", ["bundle"], registry=registry)
        self.events = Counter("fitsense_events", "Events that were told.", ["type"], registry=registry)
        self.latency = Histogram(
            "fitsense_latency_seconds",
            "From the arrival of the picture that completes a window until its events are told.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.inference = Histogram(
            "fitsense_inference_seconds", "One question to the model.", buckets=_SECONDS, registry=registry
        )
        self.batch = Histogram(
            "fitsense_batch_windows", "Windows in one question to the model.", buckets=_BATCHES, registry=registry
        )
        self.sessions = Gauge("fitsense_sessions", "Sessions that are open.", ["mode"], registry=registry)
        self.ended = Counter("fitsense_ended_sessions", "Sessions that ended.", ["reason"], registry=registry)

    def watch(self, deliveries: Sequence[Delivery]) -> None:
        """Tell what becomes of the events that go to sinks, too."""
        self._registry.register(_Deliveries(deliveries))

    def page(self) -> bytes:
        """All of them, as Prometheus wants them."""
        return generate_latest(self._registry)


class _Deliveries(Collector):
    """What becomes of the events that go to sinks, as it is when it is asked for."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "fitsense_sink_events", "Events for a sink, by what became of them.", labels=["number", "sink", "outcome"]
        )
        for number, delivery in enumerate(self._deliveries):
            for outcome, count in attrs.asdict(delivery.counts).items():
                family.add_metric([str(number), delivery.name, outcome], count)
        yield family
