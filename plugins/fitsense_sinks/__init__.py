"""Sinks for fitsense: events to a webhook, or to an MQTT broker."""

from collections.abc import Iterable
from typing import Any

from fitsense import MissingExtraError
from fitsense.plugins import PluginInfo, Sink, SinkSpec, hookimpl
from fitsense_sinks.config import MqttConfig, WebhookConfig


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="sinks", version="1.0.0", summary="Events to a webhook, or to an MQTT broker")


@hookimpl
def fitsense_sinks() -> Iterable[SinkSpec]:
    yield SinkSpec(
        name="webhook",
        config=WebhookConfig,
        open=_webhook,
        batch=WebhookConfig.max_events,
        summary="HTTP POST of CloudEvents, signed as Standard Webhooks",
    )
    yield SinkSpec(
        name="mqtt",
        config=MqttConfig,
        open=_mqtt,
        batch=MqttConfig.max_events,
        summary="CloudEvents to a broker with MQTT 5",
    )


def _webhook(config: Any) -> Sink:
    try:
        from fitsense_sinks.webhook import Webhook
    except ImportError as error:
        raise MissingExtraError("the sink webhook", "webhook", error) from error
    return Webhook(config)


def _mqtt(config: Any) -> Sink:
    try:
        from fitsense_sinks.mqtt import Mqtt
    except ImportError as error:
        raise MissingExtraError("the sink mqtt", "mqtt", error) from error
    return Mqtt(config)
