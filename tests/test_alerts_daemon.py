"""The whole daemon: alerts outlive it, come once, and never hold it up; alert-test says whether they would arrive."""

import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alerts_kit import SECRET, Answer, MailServer, Receiver, closed_port
from running import MAC, Daemon
from waiting import eventually

Make = Callable[..., Daemon]


def threat(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "type": "threat", "kind": f"kind {number}", "description": f"number {number}", "severity": "high",
        "device": MAC, "target": f"10.0.0.{number}",
    } | fields  # fmt: skip


def hook(url: str) -> str:
    return f"[alert:webhook]\nurl = {url}\nsecret = {SECRET}\n"


def told(server: Receiver) -> list[str]:
    return sorted(request.json["threat"]["description"] for request in server.requests)


def state(daemon: Daemon, name: str = "webhook") -> dict[str, Any]:
    (found,) = [each for each in daemon.status()["alerts"] if each["name"] == name]
    return found


def kept(daemon: Daemon) -> list[Any]:
    """What core.db holds of alerts that wait."""
    return [
        each
        for (text,) in daemon.core("SELECT value FROM meta WHERE key = 'alerts.waiting'")
        for each in json.loads(text)["webhook"]["waiting"]
    ]


def test_what_was_not_delivered_when_it_was_killed_is_delivered_after_the_next_start_once(daemon: Make) -> None:
    with closed_port() as port, daemon(hook(f"http://127.0.0.1:{port}/")) as running:
        assert running.emit(threat(1), threat(2), threat(3, severity="low")) == []
        eventually(lambda: len(kept(running)) == 2)
        eventually(lambda: state(running)["state"] == "failing")
        assert "Connection refused" in state(running)["last_error"]
        before = {each["id"] for each in kept(running)}
        running.kill()
    with Receiver() as server:
        running.configure(hook(server.url("/")))
        running.start()
        eventually(lambda: len(server.requests) == 2)
        assert {request.json["id"] for request in server.requests} == before
        eventually(lambda: kept(running) == [])
        running.kill()
        running.start()
        assert running.emit(threat(4)) == []
        eventually(lambda: len(server.requests) == 3)
        assert running.stop() == 0
    assert told(server) == ["number 1", "number 2", "number 4"], "what is merely open is not sent again"


def test_what_goes_on_is_told_once_what_is_worse_again_and_what_is_muted_never(daemon: Make) -> None:
    muted = '[threats]\nmute = "muted" *\n'
    with Receiver() as server, daemon(muted + hook(server.url("/"))) as running:
        assert running.emit(threat(9, kind="muted"), *[threat(1, severity="medium")] * 50) == []
        eventually(lambda: server.requests)
        assert running.emit(*[threat(1, severity="critical")] * 50, threat(9, kind="muted"), threat(2)) == []
        eventually(lambda: len(server.requests) == 3)
        assert running.stop() == 0
    assert sorted(request.json["title"] for request in server.requests) == [
        f"CRITICAL: kind 1 by {MAC}", f"HIGH: kind 2 by {MAC}", f"MEDIUM: kind 1 by {MAC}",
    ]  # fmt: skip


@pytest.mark.slow
def test_killed_while_it_is_being_sent_it_is_sent_again_under_the_same_id(daemon: Make) -> None:
    hold = threading.Event()
    with Receiver(Answer(until=hold), Answer()) as server, daemon(hook(server.url("/"))) as running:
        assert running.emit(threat(1)) == []
        eventually(lambda: server.requests and kept(running))
        running.kill()
        running.start()
        eventually(lambda: len(server.requests) == 2)
        hold.set()
    assert len({request.json["id"] for request in server.requests}) == 1


@pytest.mark.slow
def test_a_daemon_whose_alerts_hang_goes_on_and_ends_in_time(daemon: Make) -> None:
    hold = threading.Event()
    config = "[alert:command]\ncommand = /bin/sleep 1000\ntimeout = 300 s\n"
    with Receiver(Answer(until=hold)) as server, daemon(hook(server.url("/")) + config) as running:
        assert running.emit(*(threat(number) for number in range(1, 6))) == []
        eventually(lambda: server.requests)
        eventually(lambda: len(running.core("SELECT * FROM threats")) == 5)
        assert running.stop() == 0
        assert not hold.is_set(), "it has ended while both deliveries hung"
        hold.set()
    assert "did not stop" not in running.log
    assert len(kept(running)) == 5


@pytest.mark.slow
def test_what_is_dismissed_while_its_channel_fails_is_not_sent(daemon: Make) -> None:
    with closed_port() as port, daemon(hook(f"http://127.0.0.1:{port}/")) as running:
        assert running.emit(threat(1), threat(2)) == []
        eventually(lambda: state(running)["state"] == "failing")
        ((first,),) = eventually(lambda: running.core("SELECT id FROM threats WHERE description = 'number 1'"))
        with running.client() as client:
            client.send(json.dumps({"op": "dismiss", "threat": first}))
            eventually(lambda: running.core("SELECT * FROM threats WHERE status = 'dismissed'"))
        with Receiver() as server:
            running.configure(hook(server.url("/")))
            running.signal(signal.SIGHUP)
            eventually(lambda: server.requests)
            eventually(lambda: running.status()["counters"]["alerts"].get("withdrawn") == 1)
    assert told(server) == ["number 2"]


@pytest.mark.slow
def test_it_goes_on_where_the_database_is_taken_away(daemon: Make) -> None:
    with Receiver() as server, daemon(hook(server.url("/"))) as running:
        for path in running.state.glob("core.db*"):
            path.unlink()
        assert running.emit(threat(1)) == []
        eventually(lambda: server.requests)
    assert told(server) == ["number 1"]


# alert-test.


def test_alert_test_sends_a_test_by_each_channel_without_a_daemon_and_says_what_came_of_it(daemon: Make) -> None:
    with Receiver() as server, MailServer() as mail, closed_port() as port:
        good = (
            f"{hook(server.url('/hook'))}[alert:email]\nhost = 127.0.0.1\nport = {mail.port}\nsecurity = none\n"
            "sender = a@b.example\nto = me@x.example\n[alert:command]\ncommand = /bin/true\n"
        )
        off = daemon(good)
        answer = off.cli("alert-test")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        lines = [re.sub(r" as test-\d+$", "", line) for line in answer.stdout.splitlines()]
        assert lines == [
            f"webhook: sent to 127.0.0.1:{server.port}", "email: sent to me@x.example by 127.0.0.1",
            "command: sent to /bin/true",
        ]  # fmt: skip
        assert server.requests[0].json["event"] == "test" and mail.mails[0]["Subject"].startswith("TEST: ")
        off.configure(f"{good}[alert:ntfy]\nurl = http://127.0.0.1:{port}/secret-topic\n")
        answer = off.cli("alert-test")
        assert answer.returncode == 1
        assert answer.stdout.splitlines()[0] == f"ntfy: failed: 127.0.0.1:{port}: Connection refused"
        assert off.cli("alert-test", "command").stdout.startswith("command: sent")
        assert off.cli("alert-test", "command").returncode == 0
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ("", 1, "nothing is configured in [alert:CHANNEL]"),
        ("[alert:ntfy]\nurl = nonsense\n", 78, "[alert:ntfy] url: it should begin with https://"),
        ("[alert:webhook]\nurl = http://127.0.0.1:9/\nsecret_file = /no/such/file\n", 1, ""),
    ],
)  # fmt: skip
def test_alert_test_says_why_it_cannot(daemon: Make, config: str, code: int, said: str) -> None:
    answer = daemon(config).cli("alert-test")
    assert answer.returncode == code
    assert said in answer.stderr
    assert said or "webhook: failed: /no/such/file cannot be read: No such file" in answer.stdout


def test_status_shows_the_channels_to_people(daemon: Make, tmp_path: Path) -> None:
    with Receiver() as server, daemon(hook(server.url("/hidden-path"))) as running:
        assert running.emit(threat(1)) == []
        eventually(lambda: state(running)["last_sent"])
        shown = running.cli("status").stdout
    assert re.search(rf"alerts by webhook +on, to 127\.0\.0\.1:{server.port}, last sent ", shown)
    assert re.search(r"alerts by email +off", shown)
    assert "hidden-path" not in shown
