"""From the first packet of a scan to whoever is told of it beyond the machine."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alerts_kit import SECRET, Receiver
from home import HOST4, HOST_MAC, ROUTER4, home_network, why_not
from running import MAC, OTHER_MAC, Daemon, flow_line
from waiting import eventually

pytestmark = pytest.mark.slow

SCAN = """
import socket, sys
for port in range(1, 401):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex((sys.argv[1], port))
    one.close()
"""


def hook(server: Receiver) -> str:
    return f"[alert:webhook]\nurl = {server.url('/hook')}\nsecret = {SECRET}\n"


@pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))
def test_a_port_scan_on_the_wire_reaches_a_webhook_once(short: Path) -> None:
    with home_network() as net:
        with net.router.entered():
            receiver = Receiver()
        config = f"[source:capture]\nenabled = yes\ninterface = lan0\n{hook(receiver)}"
        with receiver, Daemon(short, config, inside=net.router.command()) as daemon:
            net.host.python(SCAN, ROUTER4)
            eventually(lambda: receiver.requests, "the webhook is told")
            assert daemon.stop() == 0
    (request,) = receiver.requests
    told = request.json
    assert told["threat"]["kind"] == "port_scan"
    assert told["threat"]["device"] in (HOST_MAC, HOST4)
    assert HOST4 in told["title"] and "port scan by" in told["title"]


def test_flows_of_a_scan_that_another_program_hands_in_reach_a_webhook_once(daemon: Callable[..., Daemon]) -> None:
    with Receiver() as server, daemon(hook(server)) as running:
        assert running.emit(
            {"type": "device", "mac": MAC, "ip": "192.168.77.60", "name": "kali"},
            {"type": "device", "mac": OTHER_MAC, "ip": "192.168.77.61", "name": "nas"},
        ) == []  # fmt: skip
        now = int(time.time() * 1000)
        refused = {"src_ip": "192.168.77.60", "dst_ip": "192.168.77.61", "state": "rejected", "bytes_in": 40,
                   "packets_in": 1, "bytes_out": 60, "start": now, "end": now}  # fmt: skip
        for _ in range(2):
            scan = [flow_line(1, **refused, src_port=40_000 + port, dst_port=port) for port in range(1, 501)]
            assert running.emit(*scan) == []
        eventually(lambda: server.requests, "the webhook is told")
        assert running.stop() == 0
    (request,) = server.requests
    assert request.json["title"].endswith(": port scan by kali (192.168.77.60)")
