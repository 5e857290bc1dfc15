"""The sources of identity in the service as a real systemd runs it, in a small Debian (`make test-systemd`)."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from announce_kit import host, message
from box import Box, installed, layer, why_not
from home import HOST4, HOST_MAC, ROUTER4, Home, home_network
from home import why_not as why_no_home
from service_kit import UNIT, Service
from waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not() or why_no_home("nft")), reason=str(why_not() or why_no_home("nft"))),
]

OTHER4, OTHER_MAC = "192.168.77.11", "a4:83:e7:12:34:57"
ANSWER = f"""
import socket
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("{HOST4}"))
peer.bind(("{HOST4}", 5353))
peer.sendto(bytes.fromhex("{message(host("annas-notebook.local", HOST4)).hex()}"), ("224.0.0.251", 5353))
"""
KEA = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
# As a router would have it, with a patience of a minute, of which half goes by until a silent device is asked.
CONFIG = "[devices]\noffline_after = 1 min\n[source:rdns]\nenabled = yes\nservers = 192.168.77.10\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with home_network() as made:
        yield made


@pytest.fixture(scope="module")
def service(home: Home) -> Iterator[Service]:
    """netwatchd on the home's router."""
    with ExitStack() as stack:
        box = Box(stack.enter_context(installed()), stack.enter_context(layer()), home.router.name)
        yield Service(stack.enter_context(box))


def lines(service: Service) -> list[dict[str, Any]]:
    """What the journal holds of this run."""
    return service.box.journal(f"_SYSTEMD_INVOCATION_ID={service.show('InvocationID')}")


def device(service: Service, mac: str) -> dict[str, Any]:
    listed = json.loads(service.box.run("netwatchd", "devices", "--json"))
    return next((each for each in listed if each["mac"] == mac), {})


def test_by_default_each_source_has_its_line_and_none_complains(service: Service) -> None:
    service.configure("")
    service.systemctl("start")
    eventually(lambda: service.log("EVENT=ready"))
    states = {each["name"]: each["state"] for each in service.status()["sources"]}
    on = {"json", "neighbours", "conntrack", "leases", "hosts", "dhcp", "mdns", "ssdp", "prober", "asker"}
    assert {name for name, state in states.items() if state == "on"} == on
    ours = [entry for entry in lines(service) if entry.get("_COMM") != "systemd"]
    assert [entry["MESSAGE"] for entry in ours if int(entry["PRIORITY"]) < 6] == []
    for name in on:
        told = [str(entry["MESSAGE"]) for entry in ours if entry.get("SOURCE") == name]
        assert told.count(f"source {name} is on") == 1
    # Both groups of each family, on the home's bridge and not on the way to the provider.
    groups = service.box.run("cat", "/proc/net/igmp")
    assert re.search(r"lan0.*?FAFFFFEF.*?FB0000E0.*?wan0", groups, re.DOTALL)
    assert groups.count("FAFFFFEF") == groups.count("FB0000E0") == 1
    service.systemctl("stop")
    assert (service.show("ExecMainStatus"), service.show("Result")) == ("0", "success")


def test_leases_announcements_and_questions_get_through_the_sandbox(service: Service, home: Home) -> None:
    end = int(time.time()) + 3600
    service.box.run("mkdir", "-p", "/var/lib/misc", "/var/lib/kea")
    service.box.path("/var/lib/misc/dnsmasq.leases").write_text(f"{end} {HOST_MAC} {HOST4} Annas-Laptop *\n")
    kea = f"{OTHER4},{OTHER_MAC},,3600,{end},1,0,0,printer,0,\n"
    service.box.path("/var/lib/kea/kea-leases4.csv").write_text(KEA + kea)
    # As Debian's package has them.
    service.box.run("groupadd", "--system", "_kea")
    service.box.run("sh", "-c", "chgrp -R _kea /var/lib/kea; chmod 0750 /var/lib/kea; chmod 0640 /var/lib/kea/*")
    service.configure(CONFIG)
    service.systemctl("start")
    service.says("(/var/lib/kea can be read by the group _kea: usermod -a -G _kea netwatchd, and restart it)")
    home.host.run("ping", "-c", "1", ROUTER4)
    eventually(lambda: device(service, HOST_MAC).get("hostname") == "Annas-Laptop")
    assert not device(service, OTHER_MAC)
    # What the line of the journal says helps.
    service.box.run("usermod", "-a", "-G", "_kea", "netwatchd")
    service.systemctl("restart")
    eventually(lambda: device(service, OTHER_MAC).get("hostname") == "printer")
    assert not [entry for entry in lines(service) if "is not read" in str(entry["MESSAGE"])]
    home.host.python(ANSWER)
    eventually(lambda: "annas-notebook" in service.box.run("netwatchd", "device", HOST_MAC))
    # The kernel takes the question from us, and the host answers.
    eventually(lambda: service.status()["counters"].get("probes", {}).get("answered"))
    service.systemctl("stop")
    assert (service.show("ExecMainStatus"), service.show("Result")) == ("0", "success")


def test_a_reload_says_what_of_the_new_settings_waits_and_refuses_what_is_wrong(service: Service) -> None:
    service.configure(CONFIG)
    service.systemctl("start")
    service.configure(CONFIG + "interval = 5 s\n[source:mdns]\nenabled = no\n[detector:news]\nabsence = 3 d\n")
    service.systemctl("reload")
    for waiting in ("need a restart to take effect: ", "[source:mdns] enabled", "[source:rdns] interval"):
        service.says(waiting)
    service.configure(CONFIG + "[source:mdns]\ninterface = ../evil\n")
    assert "refused" in service.box.run("sh", "-c", f"systemctl reload {UNIT} || echo refused")
    service.says("[source:mdns] interface: '../evil' is no name of a network interface")
    service.configure(CONFIG + "[source:mdns]\nenabled = no\n")
    service.systemctl("restart")
    reasons = {each["name"]: each["reason"] for each in service.status()["sources"]}
    assert reasons["mdns"] == "switched off in the configuration"
    service.systemctl("stop")
