"""The source `netflow`: real datagrams to a real daemon."""

import socket
import time
from collections.abc import Callable

import exporters as kit
from running import Daemon
from waiting import eventually

V4 = kit.Template(
    256,
    "sourceIPv4Address destinationIPv4Address sourceTransportPort destinationTransportPort protocolIdentifier "
    "tcpControlBits octetDeltaCount packetDeltaCount flowStartMilliseconds flowEndMilliseconds",
)


def free_port() -> int:
    """A UDP port on which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int, **settings: str) -> str:
    """The configuration of a daemon that listens there."""
    more = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f"[source:netflow]\nenabled = yes\nlisten = 127.0.0.1:{port}\n{more}"


def test_what_an_exporter_sends_is_stored_as_flows(daemon: Callable[..., Daemon]) -> None:
    port = free_port()
    now = int(time.time() * 1000)
    exporter = kit.Exporter(10, domain=7)
    out = V4.record("192.168.1.5", "93.184.216.34", 50000, 443, 6, 0x1B, 1000, 10, now - 900, now - 100)
    back = V4.record("93.184.216.34", "192.168.1.5", 443, 50000, 6, 0x1B, 9000, 12, now - 890, now - 90)
    with daemon(listening(port)) as started, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        sender.send(exporter.templates(now, V4))
        sender.send(exporter.datagram(now, kit.data_set(V4, out, back)))
        eventually(lambda: len(started.flows()) == 1)
        (flow,) = started.json("flows")
    assert flow["src_ip"] == "192.168.1.5"
    assert (flow["bytes_out"], flow["bytes_in"], flow["packets_out"], flow["packets_in"]) == (1000, 9000, 10, 12)
