"""From a threat to whoever is told: what waits, what is withdrawn, what comes twice, and that nobody is held up."""

import json
import logging
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from alerts_kit import SECRET, Answer, Desk, MailServer, Receiver, closed_port, found
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import device
from waiting import eventually

from netwatchd.alerts import box as boxes
from netwatchd.alerts.channels import NAMES, configured
from netwatchd.clock import Now
from netwatchd.config import AlertWebhook, Config, parse
from netwatchd.events import SEVERITIES, ThreatStatus
from netwatchd.values import Url

HIDDEN = "a-hidden-topic-1234"


def hook(server: Receiver, path: str = "/hook", more: str = "") -> str:
    return f"[alert:webhook]\nurl = {server.url(path)}\nsecret = {SECRET}\n{more}\n"


def told(server: Receiver) -> list[int]:
    """The threats that it was told of."""
    return [request.json["threat"]["id"] for request in server.requests if request.json["event"] == "threat"]


# Pauses of a moment, so that nobody waits half a minute for the second attempt.
HURRIED = boxes.Patience(pauses=(0.05, 0.05), turn=0.02)


def test_a_threat_is_told_by_every_channel_that_is_configured_and_wants_it() -> None:
    with Receiver() as server, MailServer() as mail:
        config = (
            f"{hook(server)}[alert:ntfy]\nurl = {server.url('/topic')}\nseverity = high\n"
            f"[alert:email]\nhost = 127.0.0.1\nport = {mail.port}\nsecurity = none\nsender = a@b.example\n"
            "to = c@d.example\nseverity = low\n[alert:command]\ncommand = /bin/true\nseverity = critical\n"
        )
        with Desk(config) as desk:
            for number, severity in enumerate(SEVERITIES):
                desk.tell(found(number + 1, severity))
            counts = {"ntfy": 2, "webhook": 3, "email": 4, "command": 1}
            for name, count in counts.items():
                eventually(lambda key=f"alerts.sent.{name}", count=count: desk.counters[key] == count)
        ntfy = [request for request in server.requests if request.path == "/topic"]
        assert sorted(request.headers["Priority"] for request in ntfy) == ["4", "5"]
        assert len(mail.mails) == 4


def test_a_device_is_called_as_people_know_it() -> None:
    kali = device(hostname="kali", ips=(0xC0A84D3C,))
    with Receiver() as server, Desk(hook(server), find=lambda _: kali) as desk:
        desk.tell(found(1, "high"))
        eventually(lambda: server.requests)
    assert server.requests[0].json["title"] == "HIGH: port scan by kali (192.168.77.60)"


def test_without_a_channel_nothing_is_kept() -> None:
    with Desk("") as desk:
        desk.tell(found(1, "critical"))
    assert desk.notes == [] and desk.counters.tree() == {}
    assert [each["state"] for each in desk.out.status()] == ["off"] * 4


def test_what_fails_is_sent_again_with_its_id_and_counted_and_status_says_why() -> None:
    with Receiver(Answer(503), Answer(429), Answer()) as server, Desk(hook(server), patience=HURRIED) as desk:
        desk.tell(found(1))
        eventually(lambda: desk.counters["alerts.retried.webhook"] == 1)
        assert desk.state("webhook")["state"] in ("failing", "on")
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 1)
        assert desk.counters["alerts.retried.webhook"] == 2
        state = desk.state("webhook")
    assert len({request.headers["Netwatchd-Id"] for request in server.requests}) == 1
    assert len({request.json["id"] for request in server.requests}) == 1
    assert (state["state"], state["last_error"], state["waiting"]) == ("on", None, 0)


def test_where_no_thread_is_to_be_had_it_is_tried_again() -> None:
    with Receiver() as server, Desk(hook(server), patience=HURRIED) as desk:
        usual = threading.stack_size(1 << 46)  # which no machine has
        try:
            desk.tell(found(1))
            eventually(lambda: desk.counters["alerts.retried.webhook"] >= 1)
        finally:
            threading.stack_size(usual)
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 1)


def test_what_is_refused_is_given_up_and_the_next_is_sent() -> None:
    with Receiver(Answer(404), Answer()) as server, Desk(hook(server)) as desk:
        desk.tell(found(1))
        eventually(lambda: desk.counters["alerts.failed.webhook"] == 1)
        assert desk.state("webhook")["state"] == "failing"
        assert "404" in desk.state("webhook")["last_error"]
        desk.tell(found(2))
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 1)
    assert told(server) == [1, 2]


def test_a_mistake_of_ours_is_reported_once_and_counted_and_ends_neither_the_channel_nor_detection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A host that config.ini may not have, as DNS may not: what comes of it no channel expects.
    wrong = Config(webhook=AlertWebhook(url=Url(False, "x" * 64 + ".example", 80, "/" + HIDDEN)))
    with Receiver() as server, Desk("") as desk:
        desk.out.apply(wrong)
        desk.tell(found(1))
        eventually(lambda: desk.counters["alerts.failed.webhook"] == 1)
        assert desk.state("webhook")["last_error"] == "UnicodeError, which is a mistake in netwatchd"
        desk.out.apply(parse(hook(server)))
        desk.tell(found(2))
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 1)
    assert told(server) == [2]
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.exc_info and "UnicodeError" in caplog.text and "Traceback" in caplog.text
    assert HIDDEN not in caplog.text


def test_a_channel_that_hangs_holds_up_no_other_and_not_the_end() -> None:
    hold = threading.Event()
    with Receiver(Answer(until=hold)) as stuck, Receiver() as quick:
        config = f"{hook(stuck)}[alert:ntfy]\nurl = {quick.url('/topic')}\n"
        with Desk(config) as desk:
            for number in range(1, 6):
                desk.tell(found(number))
            eventually(lambda: desk.counters["alerts.sent.ntfy"] == 5)
            assert desk.counters["alerts.sent.webhook"] == 0
            desk.stop()  # while the webhook still hangs
            assert desk.counters["alerts.sent.webhook"] == 0
            hold.set()
    assert {each["id"].split("-")[0] for each in json.loads(desk.notes[-1])["webhook"]["waiting"]} == set("12345")


@pytest.mark.parametrize("status", [ThreatStatus.DISMISSED, ThreatStatus.ACKNOWLEDGED])
def test_what_was_judged_before_it_left_is_not_sent(status: ThreatStatus) -> None:
    hold = threading.Event()
    with Receiver(Answer(until=hold), Answer()) as server, Desk(hook(server), patience=HURRIED) as desk:
        desk.tell(found(1))
        eventually(lambda: server.requests)
        desk.tell(found(2))
        desk.tell(found(3))
        desk.known[found(2).kind, found(2).device, None] = replace(found(2), status=status)
        hold.set()
        eventually(lambda: desk.counters["alerts.withdrawn"] == 1)
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 2)
    assert told(server) == [1, 3]


def test_what_is_not_open_is_not_taken() -> None:
    with Receiver() as server, Desk(hook(server)) as desk:
        desk.tell(found(1, status=ThreatStatus.DISMISSED))
        desk.tell(found(2))
        eventually(lambda: server.requests)
    assert told(server) == [2]


def test_what_is_sent_is_the_latest_and_what_is_forgotten_is_sent_as_it_was() -> None:
    with closed_port() as port:
        desk = Desk(f"[alert:webhook]\nurl = http://127.0.0.1:{port}/\n")
        with desk:
            desk.tell(found(1, description="x" * 5000))
            desk.tell(found(2))
            eventually(lambda: desk.counters["alerts.retried.webhook"] == 1)
    with Receiver() as server:
        after = Desk(hook(server), desk.notes[-1])
        after.known[found(2).kind, found(2).device, None] = replace(found(2), count=77)
        with after:
            eventually(lambda: len(server.requests) == 2)
    first, second = sorted((request.json["threat"] for request in server.requests), key=lambda each: each["id"])
    assert first["description"] == "x" * 1000 and first["evidence"] == {}
    assert second["count"] == 77 and second["evidence"] == {"ports": 90}


def test_ten_thousand_at_once_are_a_bounded_number_of_messages_and_hold_nobody_up() -> None:
    with (
        Receiver() as server,
        Desk(f"[alerts]\nbudget = 10\n{hook(server)}", patience=boxes.Patience(gather=0.5)) as desk,
    ):
        began = time.thread_time()
        for number in range(1, 10_001):
            desk.tell(found(number, "high"))
        assert time.thread_time() - began < 10, "a millisecond each, at most"
        eventually(lambda: any(request.json["event"] == "digest" for request in server.requests))
        (digest,) = [request.json["digest"] for request in server.requests if request.json["event"] == "digest"]
        assert len(told(server)) == 10
        assert digest["count"] + len(told(server)) == 10_000 - desk.state("webhook")["held"]
        assert len(desk.notes) < 200 and max(map(len, desk.notes)) < 64_000
        assert desk.counters["alerts.held.backlog"] + desk.counters["alerts.held.budget"] == 9_990


def test_a_digest_leaves_out_what_was_dismissed() -> None:
    with Receiver() as server:
        desk = Desk(f"[alerts]\nbudget = 1\n{hook(server)}", patience=boxes.Patience(gather=0.0))
        for number in (1, 2, 3):
            desk.tell(found(number, "critical" if number == 1 else "high"))
        desk.known[found(2).kind, found(2).device, None] = replace(found(2), status=ThreatStatus.DISMISSED)
        with desk:
            eventually(lambda: len(server.requests) == 2)
    digest = server.requests[1].json["digest"]
    assert (digest["count"], digest["threats"][0]["id"]) == (1, 3)


def test_a_note_that_cannot_be_read_is_said_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as server:
        for note in ("nonsense", '{"webhook": 3}', '["x"]', '{"webhook": {"waiting": [3]}}'):
            with Desk(hook(server), note) as desk:
                desk.tell(found(1))
                eventually(lambda desk=desk: desk.counters["alerts.sent.webhook"] == 1)
    assert caplog.text.count("cannot be read, and are lost") == 4


def valid_note() -> dict[str, Any]:
    """A note with everything in it."""
    now = Now(int(time.time() * 1000), time.monotonic())
    box = boxes.Box(boxes.Rules(budget=1))
    for number in range(1, 70):
        box.take(found(number, "high"), now)
    box.waiting = dict(list(box.waiting.items())[-2:])
    box.waiting[None] = boxes.Waiting("digest-1", now.wall, now.steady, box.held)
    box.sent, box.digested = [now.steady], now.steady
    note: dict[str, Any] = json.loads(json.dumps(box.to_json(now)))
    return note


def damaged(value: Any, draw: Any) -> Any:
    """The same with something else in one place."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        value[key] = damaged(value[key], draw)
        return value
    return draw(
        st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
        | st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=2)
    )  # fmt: skip


@given(st.data())
@settings(max_examples=60)
def test_a_note_that_was_damaged_kills_nothing(data: st.DataObject) -> None:
    desk = Desk("[alert:command]\ncommand = /bin/true\n", json.dumps({"command": damaged(valid_note(), data.draw)}))
    now = Now(int(time.time() * 1000), time.monotonic() + 400.0)
    box = desk.out._ways["command"].box
    while each := box.due(now):
        desk.out._message(each)
        box.taken(each, now)
    json.dumps(box.to_json(now))


def test_new_settings_are_taken_in_and_a_channel_that_is_gone_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    with closed_port() as port, Receiver() as server, Desk("") as desk:
        nobody = parse(f"[alert:webhook]\nurl = http://127.0.0.1:{port}/\n")
        desk.out.apply(nobody)
        desk.tell(found(1))
        eventually(lambda: desk.state("webhook")["state"] == "failing")
        desk.out.apply(parse(hook(server)))
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 1)
        desk.out.apply(nobody)
        desk.tell(found(2))
        eventually(lambda: desk.counters["alerts.retried.webhook"] == 2)
        desk.out.apply(parse(""))
        assert desk.counters["alerts.failed.webhook"] == 1
        desk.out.apply(parse(hook(server)))
        desk.tell(found(3))
        eventually(lambda: desk.counters["alerts.sent.webhook"] == 2)
    assert told(server) == [1, 3]
    assert "the alerts that waited for webhook are given up" in caplog.text


def test_secrets_are_neither_in_the_log_nor_in_status(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answer(500), Answer(401), Answer()
    with caplog.at_level(logging.DEBUG), Receiver(*answers) as server, closed_port() as port:
        config = (
            f"{hook(server, '/T0/' + HIDDEN)}[alert:ntfy]\nurl = {server.url('/' + HIDDEN)}\ntoken = hunter2\n"
            f"[alert:email]\nhost = 127.0.0.1\nport = {port}\nsender = a@b.example\nto = c@d.example\n"
            "user = me\npassword = hunter2\n[alert:command]\ncommand = /bin/false hunter2\n"
        )
        with Desk(config, patience=HURRIED) as desk:
            desk.tell(found(1))
            desk.tell(found(2))
            for name in NAMES:
                eventually(
                    lambda name=name: desk.counters[f"alerts.retried.{name}"] or desk.counters[f"alerts.failed.{name}"]
                )
            said = caplog.text + json.dumps(desk.out.status()) + "".join(desk.notes)
    for secret in (SECRET, HIDDEN, "hunter2"):
        assert secret not in said
    assert "failed" in said


# config.ini.


@pytest.mark.parametrize(
    ("text", "key", "mistake"),
    [
        ("[alerts]\nseverity = bad", "severity", "should be info or low"),
        ("[alerts]\nquiet_hours = 22-7", "quiet_hours", "a time of the day to another one, such as 22:00-07:00"),
        ("[alerts]\nquiet_hours = 24:00-07:00", "quiet_hours", "a time of the day"),
        ("[alerts]\nquiet_hours = 07:00-07:00", "quiet_hours", "a time of the day"),
        ("[alerts]\nbudget = 0", "budget", "a whole number from 1 to 1000"),
        ("[alert:ntfy]\nurl = ftp://ntfy.sh/hunter2", "url", "begin with https:// or http://"),
        ("[alert:ntfy]\nurl = https://ntfy.sh/", "url", "end with a topic"),
        ("[alert:ntfy]\nurl = https://ntfy.sh/hunter2 b", "url", "printable ASCII without spaces"),
        ("[alert:ntfy]\nurl = https://ntfy.sh:99999/hunter2", "url", "no address of the web"),
        ("[alert:ntfy]\nurl = https://[::1/hunter2", "url", "no address of the web"),
        ("[alert:ntfy]\nurl = https://me:hunter2@ntfy.sh/a", "url", "neither user and password"),
        ("[alert:ntfy]\ntoken = hunter2", "url", "it is missing"),
        ("[alert:ntfy]\nurl = https://n.sh/a\ntoken = hunter2\ntoken_file = /x", "token", "either a token or a"),
        ("[alert:webhook]\nurl = https://x.example/#hunter2", "url", "nor a part behind #"),
        ("[alert:webhook]\nurl = http://x.example/\nsecret = hunter2", "secret", "16 characters or more"),
        ("[alert:webhook]\nsecret_file = /x", "url", "it is missing"),
        ("[alert:email]\nhost = h.example\nto = a@b.example", "sender", "it is missing"),
        ("[alert:email]\nhost = h.example\nsender = a@b.example", "to", "it is missing"),
        ("[alert:email]\nsender = a@b.example", "host", "it is missing"),
        ("[alert:email]\nto = nobody", "to", "an address such as"),
        ("[alert:email]\nsender = a@b.example c@d.example", "sender", "a single address"),
        ("[alert:email]\nhost = h.x\nsender = a@b.x\nto = a@b.x\nuser = me", "password", "both user and password"),
        ("[alert:email]\nhost = h.x\nsender = a@b.x\nto = a@b.x\npassword = hunter2", "user", "both user and password"),
        (
            "[alert:email]\nhost = h.x\nsender = a@b.x\nto = a@b.x\nuser = me\npassword = hunter2\nsecurity = none",
            "security", "only by tls or starttls",
        ),
        ("[alert:command]\ncommand = alarm", "command", "the whole path of a program"),
        ("[alert:command]\ncommand = /bin/x 'y", "command", "cannot be taken apart: No closing quotation"),
        ("[alert:command]\ntimeout = 1 h", "timeout", "at most 5 min"),
    ],
)  # fmt: skip
def test_mistakes_are_named_and_secrets_are_not(text: str, key: str, mistake: str) -> None:
    section = text.split("]")[0] + "]"
    with pytest.raises(Exception, match=r".") as caught:
        parse(text)
    (said,) = map(str, caught.value.mistakes)  # type: ignore[attr-defined]
    assert f"{section} {key}: " in said and mistake in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("[alert:ntfy]\nurl = http://[fd00::1]:8080/ntfy/my-topic_1", ("ntfy", "url"),
         (False, "fd00::1", 8080, "/ntfy/my-topic_1")),
        ("[alert:webhook]\nurl = https://x.example", ("webhook", "url"), (True, "x.example", 443, "/")),
        ("[alerts]\nquiet_hours = 9:30 - 17:05", ("alerts", "quiet_hours"), (570, 1025)),
        ("[alert:command]\ncommand = /bin/a 'b c' d", ("command", "command"), ("/bin/a", "b c", "d")),
        ("[alert:email]\nhost = localhost\nsender = a@b.c\nto = a@b.c, d@e.f\nuser = u\npassword = p\nsecurity = none",
         ("email", "to"), ("a@b.c", "d@e.f")),
    ],
)  # fmt: skip
def test_settings_are_read(text: str, path: tuple[str, str], value: Any) -> None:
    assert getattr(getattr(parse(text), path[0]), path[1]) == value


def test_all_is_off_until_it_is_configured() -> None:

    assert configured(Config()) == {}
