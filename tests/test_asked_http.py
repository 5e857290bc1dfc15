"""Questions over HTTP are answered as the command line answers them, within bounds, and to nobody who must not know."""

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch
from waiting import eventually
from websocket_kit import get, http

from netwatchd.answers.asked import QUESTIONS

THREAT = {"type": "threat", "kind": "port scan", "description": "one", "device": MAC, "evidence": {"ports": 90}}


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    """A daemon with two devices, flows and a threat."""
    with Daemon(scratch()) as daemon:
        devices = [{"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"},
                   {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6"}]  # fmt: skip
        assert daemon.emit(*devices, *(flow_line(n) for n in range(30)), THREAT) == []
        eventually(lambda: len(daemon.flows()) == 30)
        eventually(lambda: daemon.core("SELECT * FROM threats"))
        yield daemon


def split(reply: str) -> tuple[dict[str, str], str]:
    """Headers (their names in lower case) and body of a reply."""
    head, _, body = reply.partition("\r\n\r\n")
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}, body


def ask(daemon: Daemon, name: str, headers: str = "", **parameters: object) -> tuple[int, dict[str, str], str]:
    status, reply = get(daemon.port, f"/api/{name}?{urlencode(parameters)}", headers)
    return status, *split(reply)


def found(daemon: Daemon, name: str, **parameters: object) -> Any:
    status, headers, body = ask(daemon, name, **parameters)
    assert status == 200, body
    assert headers["content-type"] == "application/json"
    return json.loads(body)


@pytest.mark.parametrize(
    ("name", "parameters", "verb"),
    [
        ("devices", {}, ["devices"]),
        ("devices", {"online": "yes", "device": "tv"}, ["devices", "--online", "--device", "tv"]),
        ("flows", {"limit": 7}, ["flows", "--limit", "7"]),
        ("flows", {"peer": "192.168.0.0/16", "port": "tcp/443", "text": "tv"},
         ["flows", "--peer", "192.168.0.0/16", "--port", "tcp/443", "--text", "tv"]),
        ("flows", {"state": "closed", "protocol": "udp"}, ["flows", "--status", "closed", "--protocol", "udp"]),
        ("flows", {"until": "1 d"}, ["flows", "--until", "1 d"]),
        ("threats", {"status": "all", "text": "scan"}, ["threats", "--all", "--text", "scan"]),
        ("threats", {"severity": "critical"}, ["threats", "--severity", "critical"]),
        ("top", {"by": "port"}, ["top", "port"]),
    ],
)  # fmt: skip
def test_what_is_asked_is_what_the_command_line_prints(
    running: Daemon, name: str, parameters: dict[str, str], verb: list[str]
) -> None:
    assert found(running, name, **parameters) == running.json(*verb)


def test_a_device_and_a_threat_are_told_whole(running: Daemon) -> None:
    assert list(found(running, "device", device="tv")) == list(running.json("device", "tv"))
    (threat,) = found(running, "threats")
    assert found(running, "threat", id=threat["id"])["description"] == "one"


def test_a_list_that_goes_on_says_where(running: Daemon) -> None:
    rows, before = [], {}
    while True:
        status, headers, body = ask(running, "flows", limit=8, **before)
        assert status == 200
        rows += json.loads(body)
        if "netwatchd-before" not in headers:
            break
        assert headers["netwatchd-stopped"] == "no"
        before = {"before": headers["netwatchd-before"]}
    assert rows == running.json("flows", "--limit", "0")
    assert len(rows) == 30


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("nothing", 404, "there is no answer 'nothing'; there are devices, device, flows, threats, threat, top"),
        ("", 404, "there is no answer"),
        ("flows/../devices", 404, "there is no answer"),
        ("flows?colour=red", 400, "flows has no parameter 'colour'; it has since, limit, device"),
        ("flows?limit=0", 400, "limit: '0' should be a whole number from 1 to 10,000"),
        ("flows?limit=10001", 400, "limit:"),
        ("flows?limit=%D9%A3", 400, "limit:"),
        ("flows?since=yesterday", 400, "since: 'yesterday' should be a time such as"),
        ("flows?before=-1", 400, "before: '-1' should be a whole number"),
        ("flows?port=https", 400, "'https' should be a port"),
        ("flows?device=nobody", 404, "no device is known by 'nobody'"),
        ("flows?peer=%00", 404, "no device is known by '\\x00'"),
        ("flows?text=a+b+c+d+e+f+g+h+i", 400, "a text may have 200 characters and 8 words"),
        ("devices?online=maybe", 400, "online: 'maybe' should be yes or no"),
        ("devices?kind=spaceship", 400, "'spaceship' is no kind of device"),
        ("device", 400, "device needs the parameter device"),
        ("threat?id=77", 404, "there is no threat 77"),
        ("threats?status=open,closed", 400, "status: 'closed' should be one of"),
        ("top?by=name", 400, "by: 'name' should be one of device, destination, port"),
        ("flows?" + "&".join(f"a{n}=1" for n in range(21)), 400, "the request's target cannot be read"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(running: Daemon, path: str, status: int, sentence: str) -> None:
    got, reply = get(running.port, f"/api/{path}")
    assert got == status
    assert sentence in split(reply)[1]


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_parameter_can_break_a_question(running: Daemon, name: str) -> None:
    odd = ("%00", "%ed%a0%80", "%22';--", "9" * 40, "x" * 5000, "..%2f%F0%9F%98%80", "-1e9")
    for parameter in QUESTIONS[name].parameters:
        for value in odd:
            rest = "" if parameter == "device" or "device" not in QUESTIONS[name].needed else "&device=tv"
            status, reply = get(running.port, f"/api/{name}?{parameter}={value}{rest}")
            assert status in (200, 400, 404), (parameter, value, reply)
    assert running.status()["counters"]["asked"][name]


def test_an_answer_is_compressed_for_who_understands_it_and_not_told_again_to_who_has_it(running: Daemon) -> None:
    request = f"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nConnection: close\r\n"
    plain = split(http(running.port, f"{request}\r\n".encode())[1])
    small = split(http(running.port, f"{request}Accept-Encoding: gzip, br\r\n\r\n".encode())[1])
    assert small[0]["content-encoding"] == "gzip"
    assert gzip.decompress(small[1].encode("latin-1")).decode() == plain[1]
    assert len(small[1]) < len(plain[1]) / 4
    tag = plain[0]["etag"]
    for header in (tag, f'"other", {tag.removeprefix("W/")}', "*"):
        status, reply = http(running.port, f"{request}If-None-Match: {header}\r\n\r\n".encode())
        assert (status, split(reply)[1]) == (304, "")
