"""The page on sinks: its programs, settings and report."""

from __future__ import annotations

import base64
import re
import tomllib
from typing import Any

import attrs
import pytest

import fitsense
from fitsense._internal.configs import config_from_json
from fitsense.synthetic.figures import FigureVideo
from fitsense_sinks.config import WebhookConfig
from fitsense_sinks.webhook import Webhook
from tests.helpers.doc_pages import PAGES, blocks
from tests.helpers.http_receiver import Answer, Receiver, event

PAGE = "docs/how-to/send-events-elsewhere.md"
ADDRESS = "https://app.example/events"
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def test_sink_program_sends_verifiable_events(
    squats: FigureVideo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FITSENSE_WEBHOOK_SECRET", SECRET)
    sending, receiving = blocks(PAGE, "python")
    with Receiver() as receiver:
        program = sending.replace(ADDRESS, receiver.url).replace("sample()", "FRAMES")
        exec(compile(program, PAGE, "exec"), {"FRAMES": list(squats)})
    *types, counts = capsys.readouterr().out.splitlines()
    page: dict[str, Any] = {}
    exec(compile(receiving, PAGE, "exec"), page)
    emitted = [page["receive"](SECRET, request.body, dict(request.headers)) for request in receiver.requests]
    assert [one["type"] for one in emitted] == types
    assert types[-1] == "fitsense.session.ended"
    assert counts == str(fitsense.DeliveryCounts(total=len(types), delivered=len(types)))


def test_sink_page_shows_every_setting_with_its_default() -> None:
    host = fitsense.PluginManager.discover()
    for text in blocks(PAGE, "toml")[:2]:
        shown = tomllib.loads(text)
        spec = host.sink(shown["sink"])
        default = spec.config(
            **{name: shown["config"][name] for name in ("url", "username") if name in shown["config"]}
        )
        config = config_from_json(spec.config, shown["config"], PAGE)
        assert attrs.evolve(config, url="") == attrs.evolve(default, url="")
        assert set(attrs.fields_dict(spec.config)) == set(
            re.findall(r"^(?:# )?(\w+) = ", text.partition("[config]")[2].partition("[delivery]")[0], re.M)
        )
    delivery = tomllib.loads(blocks(PAGE, "toml")[0])["delivery"]
    assert config_from_json(fitsense.DeliveryConfig, delivery, PAGE) == fitsense.DeliveryConfig()
    assert set(delivery) == set(attrs.fields_dict(fitsense.DeliveryConfig))


def test_sink_page_shows_the_report_of_undelivered_events(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(*[Answer(503)] * 50) as receiver:
        settings = {"url": receiver.url, "signed": False}
        with fitsense.open_sink("webhook", settings, delivery=fitsense.DeliveryConfig(flush_timeout_s=0.2)) as delivery:
            for number in range(3):
                delivery.put(event(number))
    (shown,) = blocks(PAGE, "text")
    assert re.sub(r"\d+", "#", caplog.messages[-1]) == re.sub(r"\d+", "#", shown.strip())


def test_sink_page_names_the_retried_statuses() -> None:
    text = " ".join(PAGES[PAGE].split()).partition("confirms the events.")[2].partition("are retried")[0]
    *named, above = [int(status) for status in re.findall(r"\d{3}", text)]
    statuses = [status for status in range(300, 520) if status != 410]
    with Receiver(*map(Answer, statuses)) as receiver:
        sink = Webhook(WebhookConfig(url=receiver.url, signed=False))
        for status in statuses:
            with pytest.raises(fitsense.DeliveryError, match=str(status)) as refusal:
                sink.send([event(0)])
            assert refusal.value.retryable == (status in named or status >= above)
        sink.close()
