from __future__ import annotations

import json
import sys

import pytest
from edge.live.fakes import Complaints, FakeClock

from lampion_edge import EdgeError, InputError, ServiceError
from lampion_edge.live.events import Event
from lampion_edge.live.outlets import Mqtt, Pin, Webhook


def event(number: int) -> Event:
    return Event("begin", "cat", 0.9, 1_800_000_000.0, number, "fake")


class Link:
    """An address that answers, or doesn't."""

    def __init__(self) -> None:
        self.up = True
        self.got: list[int] = []
        self.attempts = 0

    def __call__(self, body: bytes) -> None:
        self.attempts += 1
        if not self.up:
            raise ServiceError("no answer")
        self.got.append(json.loads(body)["frame"])


def test_a_webhook_gets_events_in_order_and_waits_for_the_link() -> None:
    clock, link, complaints = FakeClock(), Link(), Complaints()
    webhook = Webhook(link, clock, complaints)
    webhook(event(1))
    clock.sleep(1)
    link.up = False
    for number in (2, 3):
        webhook(event(number))
    clock.sleep(600)
    assert (link.got, len(complaints)) == ([1], 1)
    assert link.attempts < 20  # 1 s, 2 s, 4 s, ..., 60 s
    link.up = True
    clock.sleep(61)
    assert link.got == [1, 2, 3]
    webhook.close()


def test_a_webhook_keeps_the_newest_thousand() -> None:
    clock, link = FakeClock(), Link()
    link.up = False
    webhook = Webhook(link, clock, Complaints())
    for number in range(1002):
        webhook(event(number))
    link.up = True
    clock.sleep(10)
    assert (link.got, webhook.lost) == ([*range(2, 1002)], 2)


def test_closing_sends_what_waits_but_does_not_wait_for_a_dead_link() -> None:
    clock, link = FakeClock(), Link()
    webhook = Webhook(link, clock, Complaints())
    webhook(event(1))
    webhook.close()
    assert link.got == [1]
    link.up = False
    complaints = Complaints()
    webhook = Webhook(link, clock, complaints)
    webhook(event(2))
    clock.sleep(10)
    before = clock.now()
    webhook.close()
    assert clock.now() == before
    assert complaints[-1].startswith("1 events could not be sent")


@pytest.mark.parametrize("url", ["http://host/topic", "mqtt://host", "mqtt:///topic", "host"])
def test_wrong_addresses(url: str) -> None:
    with pytest.raises(InputError, match="mqtt: expected mqtt://host:1883/topic"):
        Mqtt(url, Complaints())


@pytest.mark.parametrize("text", ["17", "x=cat", "17=", "=cat"])
def test_wrong_pins(text: str) -> None:
    with pytest.raises(InputError, match="gpio: expected PIN=LABEL"):
        Pin(text)


def test_libraries_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("paho", "paho.mqtt", "paho.mqtt.client", "gpiozero"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EdgeError, match="MQTT needs paho, which is not installed"):
        Mqtt("mqtt://host/topic", Complaints())
    with pytest.raises(EdgeError, match="GPIO needs gpiozero, which is not installed"):
        Pin("17=cat")
