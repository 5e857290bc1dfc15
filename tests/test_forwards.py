"""A connection that comes in by a forwarded port is put down to the device that answers it, and the port is known."""

import sys
from typing import Any

import pytest
from home import HOST4, SERVER4, WAN4, home_network, why_not
from waiting import eventually

from netwatchd import config
from netwatchd.addresses import PRIVATE, Networks, parse_address
from netwatchd.counters import Counters
from netwatchd.decoders.conntrack import SEEN_REPLY, Entry, inward
from netwatchd.events import Flow, new_event_id
from netwatchd.ingest.forwards import MOST, MOST_OUTER, Forwards
from netwatchd.sources.conntrack import Conntrack
from netwatchd.sources.liveflows import LiveFlows
from netwatchd.worker import Worker

HOME = Networks(PRIVATE.split())
WORLD, OUTER, PI, LAPTOP = map(parse_address, ("198.51.100.7", "203.0.113.2", "192.168.1.20", "192.168.1.30"))


def entry(src: Any, dst: Any, answers: Any, **fields: Any) -> Entry:
    """A connection to port 2222 of `dst`, which port 22 of `answers` answers."""
    told = {
        "id": 1, "src_ip": src, "src_port": 40_000, "dst_ip": dst, "dst_port": 2222, "protocol": 6,
        "status": SEEN_REPLY, "timeout": 10, "packets_out": 5, "bytes_out": 400, "packets_in": 4, "bytes_in": 600,
        "start": 0, "stop": 0, "event": 0, "tcp_state": 3, "reply_src_ip": answers, "reply_src_port": 22,
        "reply_dst_ip": src, "reply_dst_port": 40_000,
    } | fields  # fmt: skip
    return Entry(**told)


def test_it_is_told_as_it_is_inside_and_how_it_was_addressed() -> None:
    inside = inward(entry(WORLD, OUTER, PI), HOME)
    assert inside[1:6] == (WORLD, 40_000, PI, 22, 6)
    assert inside.translated == (WORLD, 40_000, OUTER, 2222, 6)
    # Its events and its entries in dumps are of one flow.
    flows = LiveFlows(lambda now: 1)
    begun = flows.began(inside, 1000)
    assert begun is not None
    assert (begun.dst_ip, begun.dst_port) == (PI, 22)
    ended = flows.ended(inward(entry(WORLD, OUTER, PI, packets_in=9), HOME), 2000)
    assert ended is not None
    assert (ended.id, ended.packets_in, ended.state) == (1, 9, "closed")


def test_a_router_behind_another_one_has_a_private_address_outside() -> None:
    assert inward(entry(WORLD, parse_address("192.168.0.2"), PI), HOME).dst_ip == PI


def test_any_other_is_left_as_it_is() -> None:
    others = [
        entry(WORLD, PI, PI, reply_src_port=2222),  # no NAT
        entry(LAPTOP, OUTER, WORLD),  # on the way out, redirected
        entry(LAPTOP, OUTER, PI),  # from inside, by the outer address
        entry(LAPTOP, WORLD, WORLD, reply_src_port=2222, reply_dst_ip=OUTER),  # masquerading
        entry(WORLD, OUTER, parse_address("203.0.113.9")),  # to somebody who is not here
        entry(WORLD, OUTER, PI, protocol=1),
        entry(WORLD, OUTER, 0, reply_src_port=0, reply_dst_ip=0, reply_dst_port=0),  # nothing told of answers
    ]
    for each in others:
        assert inward(each, HOME) is each


def flow_of(seen: Entry) -> Flow:
    """The flow that is told of a connection."""
    found = LiveFlows(lambda now: 1).began(seen, 1000)
    assert found is not None
    return found


def test_the_port_outside_is_remembered_and_others_are_told_too() -> None:
    heard: list[tuple[Flow, Any]] = []
    forwards = Forwards()
    forwards.tell = lambda flow, seen_as: heard.append((flow, seen_as))
    inside = inward(entry(WORLD, OUTER, PI), HOME)
    forwards.translated(flow_of(inside), inside.translated or ())
    assert forwards.outside(PI, 22, 6) == (OUTER, 2222)
    assert forwards.outside(PI, 22, 17) is None
    assert heard[0][1] == inside.translated
    masqueraded = entry(LAPTOP, WORLD, WORLD, reply_src_port=2222, reply_dst_ip=OUTER)
    forwards.translated(flow_of(masqueraded), masqueraded.translated or ())
    assert forwards.outside(WORLD, 2222, 6) is None
    assert [forwards.is_outer(each) for each in (OUTER, PI, WORLD)] == [True, False, False]
    assert len(heard) == 2


def test_what_is_remembered_is_bounded() -> None:
    forwards = Forwards()
    for port in range(MOST + 100):
        inside = inward(entry(WORLD, OUTER, PI, reply_src_port=port + 1), HOME)
        forwards.translated(flow_of(inside), inside.translated or ())
    for number in range(100):
        masqueraded = entry(LAPTOP, WORLD, WORLD, reply_src_port=2222, reply_dst_ip=OUTER + number)
        forwards.translated(flow_of(masqueraded), masqueraded.translated or ())
    assert sum(forwards.is_outer(OUTER + number) for number in range(100)) == MOST_OUTER
    assert forwards.outside(PI, 1, 6) is None
    assert forwards.outside(PI, MOST + 100, 6) == (OUTER, 2222)


RULE = """
table ip nat {{
  chain prerouting {{ type nat hook prerouting priority dstnat; iifname "wan0" tcp dport 2222 dnat to {host}:8000; }}
}}
"""
SERVICE = """
import socket
listener = socket.create_server(("", 8000))
print("listening")
client, _ = listener.accept()
client.recv(99)
client.sendall(b"x" * 5000)
client.close()
"""
VISIT = f"""
import socket
server = socket.create_connection(("{WAN4}", 2222))
server.sendall(b"hello")
while server.recv(65536):
    pass
"""


class Told:
    """An Emit that keeps flows."""

    def __init__(self) -> None:
        self.told: list[Flow] = []

    def flows(self, flows: list[Flow]) -> None:
        """Takes flows."""
        self.told += flows


@pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))
def test_the_kernel_shows_it_so() -> None:
    forwards, told, last = Forwards(), Told(), [0]

    def new_id(now: int) -> int:
        last[0] = new_event_id(last[0], now)
        return last[0]

    with home_network() as home:
        home.router.run("nft", "-f", "-", input=RULE.format(host=HOST4))
        service = home.host.start(sys.executable, "-uc", SERVICE)
        assert service.stdout is not None
        assert service.stdout.readline()
        counters = Counters()
        source = Conntrack(config.Conntrack(), told, new_id, counters, forwards.translated, HOME)  # type: ignore[arg-type]
        with home.router.entered():
            source.open()
        worker = Worker("source:conntrack", source.run, lambda _: None)
        worker.start()
        try:
            eventually(lambda: counters["dumps.conntrack"], "the first dump is asked for")
            home.server.python(VISIT)
            eventually(lambda: [each for each in told.told if each.dst_port == 8000], "the flow is told")
        finally:
            assert worker.stop(5)
            source.close()
    visits = [each for each in told.told if each.src_ip == parse_address(SERVER4)]
    assert {(each.id, each.dst_ip, each.dst_port) for each in visits} == {(visits[0].id, parse_address(HOST4), 8000)}
    assert visits[-1].bytes_in > 5000
    assert forwards.outside(parse_address(HOST4), 8000, 6) == (parse_address(WAN4), 2222)
