"""What real devices say of themselves in the recordings of others, compared with what independent tools read there."""

import csv
from functools import cache
from pathlib import Path

import pytest
from announce_kit import Seen

from netwatchd.addresses import address_text, is_station
from netwatchd.decoders.pcapng import open_capture

DATA = Path(__file__).parent.parent.parent / "shared/data"
TRUTH = DATA / "_truth"
SENTINEL = DATA / "andypitcher+IoT_Sentinel/captures_IoT_Sentinel/captures_IoT-Sentinel"
pytestmark = pytest.mark.skipif(not TRUTH.is_dir(), reason="needs the recordings in ../shared/data")

# What other tools (tcpdump, nDPI, Zeek) read in these recordings, besides DHCP: file, MAC, clues.
SAID = [
    ("zeek+zeek/testing/btest/Traces/dns/mdns.pcap", "8a:3c:d6:e1:4d:c4",
     {("mdns_name", "johanna-QEMU-Virtual-Machine")}),
    ("zeek+zeek/testing/btest/Traces/lldp.pcap", "00:22:2d:81:db:10",
     {("lldp_name", "SMCGS8P-Smart"), ("lldp_capability", "bridge")}),
    ("the-tcpdump-group+tcpdump/tests/lldp_mudurl.pcap", "00:23:54:c2:57:02",
     {("lldp_name", "upstairs.ofcourseimright.com"), ("lldp_capability", "wlan"),
      ("dhcp_mud", "https://imright.mud.example.com/.well-known/mud/v1/vomitv2.0")}),
    ("the-tcpdump-group+tcpdump/tests/LLDP_and_CDP.pcap", "00:19:2f:a7:b2:8d",
     {("lldp_name", "S2"), ("lldp_name", "S2.cisco.com"), ("lldp_description", "cisco WS-C3560G-24PS"),
      ("lldp_capability", "bridge")}),
    ("the-tcpdump-group+tcpdump/tests/dhcp-mud.pcap", "b8:27:eb:b8:53:c8",
     {("dhcp_mud", "https://mudctl.example.com/.well-known/mud/v1/rasbp101")}),
    ("the-tcpdump-group+tcpdump/tests/dhcp-rfc3004.pcap", "00:0c:29:1f:74:06",
     {("dhcp_user_class", "subopt1"), ("dhcp_user_class", "subopt2-123456789"), ("dhcp_user_class", "subopt3-12")}),
    ("the-tcpdump-group+tcpdump/tests/dhcpv4v6-rfc5970-rfc8572.pcap", "00:00:01:01:00:00",
     {("dhcp_duid", "0001000129d08193000001010000"), ("dhcp_parameters6", "136,24,23")}),
    ("ntop+nDPI/tests/cfgs/default/pcap/netbios.pcap", "00:30:48:b0:b1:94", {("netbios_name", "NVR9")}),
    ("arkime+arkime/tests/pcap/nbns.pcap", "00:50:56:33:78:9e", {("netbios_name", "MDJR98")}),
    ("CESNET+ipfixprobe/tests/functional/inputs/ssdp.pcap", "7c:7a:91:1c:0b:29",
     {("ssdp_type", "urn:schemas-upnp-org:device:MediaServer:1"),
      ("ssdp_uuid", "fab99147-1685-485d-bf02-33999646a5a2"),
      ("ssdp_server", "Microsoft-Windows-NT/5.1 UPnP/1.0 UPnP-Device-Host/1.0")}),
    ("zeek+zeek/testing/btest/Traces/dhcp/dhcp.pcap", "00:0c:29:40:0e:ef", {("role", "dhcp_server")}),
    ("ntop+nDPI/tests/cfgs/default/pcap/android.pcap", "c6:2c:03:60:6a:64",
     {("role", "router"), ("role", "dhcp_server")}),
]  # fmt: skip

# The devices whose recordings hold more than DHCP.
SMART = {
    "HueBridge": {
        ("mdns_name", "Philips-hue"), ("mdns_service", "_hap._tcp"), ("mdns_instance", "Philips hue - 2476FF"),
        ("mdns_model", "BSB002"), ("mdns_id", "00:17:88:24:76:FF"), ("cloud", "bridge.meethue.com"),
        ("ssdp_uuid", "2f402f80-da50-11e1-9b23-0017882476ff"), ("ssdp_type", "urn:schemas-upnp-org:device:basic:1"),
        ("ssdp_server", "Linux/3.14.0 UPnP/1.0 IpBridge/1.9.0"),
    },
    "D-LinkCam": {
        ("mdns_name", "dcs-935l"), ("mdns_service", "_dhnap._tcp"), ("ssdp_type", "hnap:NetworkCamera"),
        ("cloud", "signal.mydlink.com"), ("port", "tcp/80"),
    },
    "WeMoSwitch": {
        ("ssdp_type", "urn:Belkin:device:controllee:1"), ("ssdp_uuid", "socket-1_0-221519k1100f55"),
        ("cloud", "xbcs.net"),
    },
    "Lightify": {("mdns_name", "Lightify-017b5f6b"), ("mdns_service", "_http._tcp"), ("cloud", "arrayent.com")},
    "Withings": {("cloud", "withings.net"), ("http_agent", "Withings UserAgent")},
    "TP-LinkPlugHS100": {("cloud", "devs.tplinkcloud.com")},
    "EdimaxPlug1101W": {("cloud", "myedimax.com")},
}  # fmt: skip


@cache
def told_in(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The clues of each MAC or address in a capture."""
    seen = Seen()
    for time, link_type, frame, wire, _ in open_capture(path.read_bytes()):
        seen.table.see(time // 1_000_000, link_type, frame, wire)
    seen.table.finish()
    found: dict[str, list[tuple[str, str]]] = {}
    for each in seen.table.sightings():
        assert each.mac is None or is_station(each.mac)
        found.setdefault(each.mac or address_text(each.ips[0]), []).extend(map(tuple, each.clues))
    return found


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with (TRUTH / name).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def named(row: dict[str, str], host_name: str, vendor_class: str, parameters: str) -> set[tuple[str, str]]:
    """What a row says of DHCP."""
    columns = {"dhcp_hostname": host_name, "dhcp_vendor_class": vendor_class, "dhcp_parameters": parameters}
    return {(kind, row[column]) for kind, column in columns.items() if row[column]}


def test_every_client_of_dhcp_tells_what_others_read() -> None:
    truth = rows("dhcp_identity.tsv")
    assert len(truth) == 28
    for row in truth:
        told = told_in(DATA / row["pcap"])
        expected = named(row, "option12_hostname", "option60_vendor_class", "option55")
        if is_station(row["chaddr"]):
            assert expected <= set(told.get(row["chaddr"], [])), row
        else:
            assert row["chaddr"] not in told


def test_nothing_is_read_of_dhcp_that_others_did_not_read() -> None:
    truth = rows("dhcp_identity.tsv")
    for path in {row["pcap"] for row in truth}:
        for mac, clues in told_in(DATA / path).items():
            known = set().union(
                *(named(row, "option12_hostname", "option60_vendor_class", "option55")
                  for row in truth if (row["pcap"], row["chaddr"]) == (path, mac))
            )  # fmt: skip
            kinds = {"dhcp_hostname", "dhcp_vendor_class", "dhcp_parameters"}
            if path.endswith("mixed.pcap"):  # its client tells its name by DHCPv6, where the table does not look
                known.add(("dhcp_hostname", "OpenWrt"))
            assert {clue for clue in clues if clue[0] in kinds} <= known, (path, mac)


def test_the_devices_of_a_smart_home_tell_what_others_read() -> None:
    truth = rows("devices.tsv")
    assert len(truth) == 10
    for row in truth:
        (path,) = (SENTINEL / row["device_folder"]).glob("*.pcap")
        told = set(told_in(path).get(row["mac"], []))
        assert named(row, "dhcp_hostname", "dhcp_vendor_class", "dhcp_option55") <= told, row
        assert SMART.get(row["device_folder"], set()) <= told, row


@pytest.mark.parametrize(("path", "mac", "clues"), SAID, ids=lambda value: Path(value).name if "/" in value else None)
def test_other_announcements_tell_what_others_read(path: str, mac: str, clues: set[tuple[str, str]]) -> None:
    assert clues <= set(told_in(DATA / path)[mac])


def test_in_no_recording_has_a_device_two_roles_that_are_not_its_own() -> None:
    """The clients of these recordings are no routers and no servers."""
    clients = {(row["pcap"], row["chaddr"]) for row in rows("dhcp_identity.tsv")}
    for path, mac in clients:
        assert not [clue for clue in told_in(DATA / path).get(mac, []) if clue[0] == "role"], (path, mac)
