"""The source `netflow`: real datagrams to a real daemon."""

import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import SOCK_DGRAM
from typing import Any

import pytest
import sflow_kit
from exported_mass import Mass
from exporters import Exporter, data_set
from netflow_kit import HERE, MS, MS6, record
from ports import free_port
from running import Daemon
from waiting import eventually

Sender = socket.socket
RECORDED = Path(__file__).parent.parent.parent / "shared/data/arkime+arkime/tests/pcap/http-simple-get.pcap"


def listening(*listen: str, **settings: str) -> str:
    """The configuration of a daemon that listens there."""
    more = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f"[source:netflow]\nenabled = yes\nlisten = {' '.join(listen)}\n{more}"


@contextmanager
def sender(port: int, host: str = "127.0.0.1", source: str = "") -> Iterator[Sender]:
    """An exporter's socket."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.bind((source, 0))
        each.connect((host, port))
        yield each


def now() -> int:
    """By the daemon's clock."""
    return int(time.time() * 1000)


def pair(at: int, **of: Any) -> list[bytes]:
    """Both halves of a flow."""
    times = (at - 900, at - 100)
    return [
        MS.record(*record(times=times, **of)),
        MS.record(*record(False, octets=9000, packets=12, times=times, **of)),
    ]


def test_what_an_exporter_sends_becomes_flows_and_devices(daemon: Callable[..., Daemon]) -> None:
    port = free_port(SOCK_DGRAM)
    exporter = Exporter(10, domain=7)
    with daemon(listening(f"127.0.0.1:{port}")) as started, sender(port) as out:
        at = now()
        out.send(exporter.templates(at, MS))
        out.send(exporter.datagram(at, data_set(MS, *pair(at))))
        eventually(lambda: len(started.flows()) == 1)
        (flow,) = started.json("flows")
        assert flow["src_ip"] == HERE
        assert (flow["bytes_out"], flow["bytes_in"], flow["packets_out"], flow["packets_in"]) == (1000, 9000, 10, 12)
        assert (flow["start"], flow["end"], flow["source"]) == (at - 900, at - 100, "netflow")
        (device,) = started.json("devices")
        assert device["ip"] == HERE
        (told,) = started.status()["exporters"]
        assert told | {"last_heard": 0} == {
            "address": "127.0.0.1", "domain": 7, "protocol": "IPFIX", "datagrams": 2, "flows": 2, "lost": 0,
            "lost_unit": "flows", "lost_here": 0, "templates": 1, "sampling": 1, "clock_trusted": True, "last_heard": 0,
        }  # fmt: skip
        assert "IPFIX domain 7, 2 flows in 2 datagrams, none lost, 1 templates" in started.cli("status").stdout


def test_what_waits_when_the_daemon_stops_is_stored(daemon: Callable[..., Daemon]) -> None:
    port = free_port(SOCK_DGRAM)
    exporter = Exporter(10)
    with daemon(listening(f"127.0.0.1:{port}", join="1 h")) as started, sender(port) as out:
        at = now()
        out.send(exporter.templates(at, MS))
        for number in range(50):
            out.send(exporter.datagram(at, data_set(MS, pair(at, ports=(1000 + number, 443))[0])))
        assert started.stop() == 0
        assert len(started.flows()) == 50


def test_all_protocols_are_heard_on_every_port_and_over_ipv6(daemon: Callable[..., Daemon]) -> None:
    ports = free_port(SOCK_DGRAM), free_port(SOCK_DGRAM, "::1")
    with daemon(listening(f"127.0.0.1:{ports[0]}", f"[::1]:{ports[1]}", join="0 s")) as started:
        with sender(ports[1], "::1") as out:
            exporter = Exporter(10)
            at = now()
            out.send(exporter.templates(at, MS6))
            values = ("fd00::10", "2001:db8::7", *record(times=(at - 900, at - 100))[2:])
            out.send(exporter.datagram(at, data_set(MS6, MS6.record(*values))))
            out.send(sflow_kit.datagram(sflow_kit.flow_sample(sflow_kit.raw(sflow_kit.WEB))))
            eventually(lambda: started.status()["counters"].get("samples", {}).get("sflow") == 1)
        with sender(ports[0]) as out:
            out.send(sflow_kit.datagram(sflow_kit.flow_sample(sflow_kit.raw(sflow_kit.WEB))))
            eventually(lambda: len(started.status()["exporters"]) == 3)
        assert {(each["address"], each["protocol"]) for each in started.status()["exporters"]} == {
            ("::1", "IPFIX"), ("::1", "sFlow v5"), ("127.0.0.1", "sFlow v5"),
        }  # fmt: skip
        assert started.stop() == 0
        assert len(started.flows()) == 3


def test_who_is_not_on_the_list_is_not_heard_and_that_is_said(daemon: Callable[..., Daemon]) -> None:
    port = free_port(SOCK_DGRAM)
    exporter = Exporter(10)
    with daemon(listening(f"127.0.0.1:{port}", allow="127.0.0.2", join="0 s")) as started:
        at = now()
        with sender(port, source="127.0.0.3") as stranger:
            for _ in range(3):
                stranger.send(exporter.templates(at, MS))
        with sender(port, source="127.0.0.2") as known:
            known.send(exporter.templates(at, MS))
            known.send(exporter.datagram(at, data_set(MS, pair(at)[0])))
        eventually(lambda: len(started.flows()) == 1)
        status = started.status()
        assert status["counters"]["refused"]["netflow"]["exporter"] == 3
        assert [each["address"] for each in status["exporters"]] == ["127.0.0.2"]
        assert started.log.count("127.0.0.3 sends flows and is not heard") == 1


def test_damage_harms_no_other_datagram_and_a_half_that_stays_alone_is_told(daemon: Callable[..., Daemon]) -> None:
    port = free_port(SOCK_DGRAM)
    exporter = Exporter(10)
    with daemon(listening(f"127.0.0.1:{port}", join="200 ms")) as started, sender(port) as out:
        at = now()
        for data in (
            b"",
            b"\0",
            b"\0\5" + bytes(100),
            b"\0\0\0\5" + bytes(3),
            bytes(2000),
            b"\0\x0a" + b"\xff" * 60000,
        ):
            out.send(data)
        out.send(exporter.templates(at, MS))
        out.send(exporter.datagram(at, data_set(MS, pair(at)[0])))
        eventually(lambda: len(started.flows()) == 1)
        assert started.status()["counters"]["malformed"]["netflow"] == 5


def test_what_the_kernel_has_no_room_for_is_in_the_ledger(daemon: Callable[..., Daemon]) -> None:
    port = free_port(SOCK_DGRAM)
    exporter = Exporter(9, booted=now() - 10_000)
    with daemon(listening(f"127.0.0.1:{port}", receive_buffer="4 KiB", join="0 s")) as started, sender(port) as out:
        sent = 0

        def send(count: int) -> dict[str, int]:
            nonlocal sent
            for _ in range(count):
                out.send(exporter.datagram(now(), data_set(MS, MS.record(*record(times=(now() - 900, now()))))))
                sent += 1
            return ledger(started)

        out.send(exporter.templates(now(), MS))
        eventually(lambda: send(200)["lost"])
        # What was lost at last shows in the numbers when the next one has come.
        send(1)
        eventually(lambda: 0 < ledger(started)["lost"] == ledger(started)["missing"])
        assert sum(ledger(started)[what] for what in ("heard", "lost")) == sent + 1
        (each,) = started.status()["exporters"]
        assert each["lost_here"] == each["lost"] == ledger(started)["lost"]
        assert "did not fit into the receive buffer" in started.log
        assert started.status()["lost"]["netflow"]["socket"] == each["lost"]
        started.stop()
        assert f"lost {each['lost']} netflow socket" in started.log.splitlines()[-1]


def test_what_there_is_no_time_to_read_at_the_end_is_counted(daemon: Callable[..., Daemon]) -> None:
    port, count = free_port(SOCK_DGRAM), 24_000
    with daemon(listening(f"127.0.0.1:{port}", join="0 s")) as started, sender(port) as out:
        mass = Mass(5, paired=False, now=now())
        started.signal(signal.SIGSTOP)
        for datagram in mass.take(0, count, now()):
            out.send(datagram)
        started.signal(signal.SIGTERM)
        started.signal(signal.SIGCONT)
        assert started.wait() == 0
        lost = [int(number) for number in re.findall(r"(\d+) datagrams of exporters (?:could|did) not", started.log)]
        assert lost
        assert len(started.flows()) == (count - sum(lost)) * mass.per_datagram


def ledger(daemon: Daemon) -> dict[str, int]:
    """How many datagrams were heard, were lost by our socket, and are missing by the exporter's numbers."""
    counters = daemon.status()["counters"]
    lost = counters.get("lost", {}).get("netflow", {})
    heard = counters.get("datagrams", {}).get("netflow", 0)
    return {"heard": heard, "lost": lost.get("socket", 0), "missing": lost.get("datagrams", 0)}


def test_a_port_that_is_taken_is_said_and_tried_again(daemon: Callable[..., Daemon]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with daemon(listening(f"127.0.0.1:{port}")) as started:
            assert f"cannot listen on 127.0.0.1 port {port} (UDP): Address already in use" in started.log
            other.close()
            eventually(lambda: {"name": "netflow", "state": "on", "reason": None} in started.status()["sources"])


@pytest.mark.skipif(not shutil.which("softflowd"), reason="needs softflowd")
@pytest.mark.skipif(not RECORDED.exists(), reason="needs the recorded captures")
def test_a_real_exporter_is_understood(daemon: Callable[..., Daemon], short: Path) -> None:
    port = free_port(SOCK_DGRAM)
    (short / "capture").write_bytes(RECORDED.read_bytes())  # softflowd takes the first 16 characters of a path
    with daemon(listening(f"127.0.0.1:{port}")) as started:
        for version in (["5"], ["9"], ["10", "-b"]):
            exporter = ["softflowd", "-D", "-r", "capture", "-n", f"127.0.0.1:{port}", "-v", *version]
            subprocess.run(
                [*exporter, "-p", "pid", "-c", "ctl"], cwd=short, capture_output=True, timeout=60, check=True
            )
        eventually(lambda: len(started.flows()) == 3)
        flows = started.json("flows")
    ends = ("10.180.156.141", 61450, "10.180.156.249", 80)
    told = [[flow[key] for key in ("src_ip", "src_port", "dst_ip", "dst_port")] for flow in flows]
    assert told == [list(ends)] * 3
    counts = [[flow[key] for key in ("packets_out", "bytes_out", "packets_in", "bytes_in")] for flow in flows]
    assert counts == [[8, 580, 8, 5661]] * 3
