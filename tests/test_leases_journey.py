"""A host asks a real dnsmasq for an address and gives it back; the daemon on the router sees it come and leave."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from home import HOST_MAC, Home, home_network, why_not
from running import NOBODY, Daemon, nobody_can_run_it, rows, until
from waiting import PATIENCE, eventually

BOUND = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace "$ip/24" dev "$interface"
"""
CONFIG = """
[storage]
commit_interval = 500 ms
[source:leases]
enabled = auto
files = {file}
[source:rdns]
enabled = yes
servers = 192.168.77.1
"""


@contextmanager
def serving(home: Home, directory: Path) -> Iterator[Path]:
    """A dnsmasq on the router; yields its file of leases."""
    leases = directory / "dnsmasq.leases"
    server = home.router.start(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--interface=lan0",
        "--bind-interfaces", "--domain=home.example", "--except-interface=lo",
        "--dhcp-range=192.168.77.50,192.168.77.99,1h", f"--dhcp-leasefile={leases}", "--user=root", "--no-ping",
        "--pid-file=", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield leases
    server.terminate()
    server.wait(PATIENCE)


@contextmanager
def client(home: Home, directory: Path) -> Iterator[Any]:
    """A DHCP client on the host, which gives its address back when it is asked to end."""
    script = directory / "bound"
    script.write_text(BOUND)
    script.chmod(0o755)
    process = home.host.start(
        "busybox", "udhcpc", "-f", "-R", "-t", "20", "-T", "1", "-i", "eth0", "-x", "hostname:phone", "-s", str(script),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not("dnsmasq", "busybox")), reason=str(why_not("dnsmasq", "busybox")))
def test_a_host_that_gets_an_address_is_here_and_that_gives_it_back_has_left(short: Path) -> None:
    with home_network(nat=False) as home, serving(home, short) as leases:
        eventually(leases.exists)
        daemon = Daemon(short, CONFIG.format(file=leases), inside=home.router.command())
        with daemon, home.router.entered(), daemon.client() as updates:
            with client(home, short):
                came = until(updates, lambda m: m["type"] == "device_update" and m["device"]["mac"] == HOST_MAC)
                assert (came["device"]["status"], came["device"]["sources"]) == ("online", ["leases"])
                assert came["device"]["ip"].startswith("192.168.77.")
                assert "phone" in leases.read_text()
                named = "SELECT station, kind, value FROM traits WHERE source = 'rdns'"
                found = eventually(lambda: rows(daemon.state / "core.db", named))
                assert found == [(HOST_MAC, "dns_name", "phone.home.example")]
            left = until(updates, lambda m: m["type"] == "device_update" and m["device"]["status"] == "offline")
            assert left["device"]["mac"] == HOST_MAC
            eventually(lambda: not leases.read_text())
            assert daemon.stop() == 0
        assert "Traceback" not in daemon.log


@pytest.mark.skipif(not nobody_can_run_it(), reason="we cannot become another user, or it could not run this")
def test_leases_that_may_not_be_read_say_which_group_may(short: Path) -> None:
    leases = short / "dnsmasq.leases"
    leases.write_text(f"1795435200 {HOST_MAC} 192.168.77.50 phone *\n")
    short.chmod(0o777)
    leases.chmod(0o640)
    shutil.chown(leases, group="adm")
    daemon = Daemon(short, CONFIG.format(file=leases).replace("auto", "yes"), inside=NOBODY)
    with daemon:
        eventually(lambda: "permission denied" in daemon.log)
        assert f"cannot read {leases}: permission denied ({leases} can be read by the group adm" in daemon.log
        leases.chmod(0o644)
        eventually(lambda: "source leases is on" in daemon.log)
        leases.chmod(0o600)
        eventually(lambda: f"{leases} is not read: cannot read {leases}: permission denied" in daemon.log)
        leases.chmod(0o644)
        eventually(lambda: f"{leases} can be read again" in daemon.log)
        assert daemon.stop() == 0
