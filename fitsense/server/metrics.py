"""Metrics for Prometheus."""

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
    """The metrics of one server, in a separate registry."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.frames = Counter("fitsense_frames", "Frames analysed.", registry=registry)
        self.dropped = Counter(
            "fitsense_dropped_frames", "Frames dropped because analysis is slower than the source.", registry=registry
        )
        self.refused = Counter("fitsense_refused_messages", "Pushed messages refused.", registry=registry)
        self.windows = Counter("fitsense_windows", "Windows predicted.", ["bundle"], registry=registry)
        self.events = Counter("fitsense_events", "Events emitted.", ["type"], registry=registry)
        self.latency = Histogram(
            "fitsense_latency_seconds",
            "Time from the arrival of the frame that completes a window until its events are emitted.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.inference = Histogram(
            "fitsense_inference_seconds", "Time of one model call.", buckets=_SECONDS, registry=registry
        )
        self.batch = Histogram(
            "fitsense_batch_windows", "Windows in one model call.", buckets=_BATCHES, registry=registry
        )
        self.sessions = Gauge("fitsense_sessions", "Open sessions.", ["mode"], registry=registry)
        self.ended = Counter("fitsense_ended_sessions", "Ended sessions.", ["reason"], registry=registry)

    def watch(self, deliveries: Sequence[Delivery]) -> None:
        """Export the delivery counts of sinks."""
        self._registry.register(_Deliveries(deliveries))

    def page(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Deliveries(Collector):
    """Delivery counts of sinks, read at each scrape."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "fitsense_sink_events", "Events for a sink, by outcome.", labels=["number", "sink", "outcome"]
        )
        for number, delivery in enumerate(self._deliveries):
            for outcome, count in attrs.asdict(delivery.counts).items():
                family.add_metric([str(number), delivery.name, outcome], count)
        yield family
