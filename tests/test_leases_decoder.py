"""Files of dnsmasq, ISC dhcpd and Kea, as these write them, become leases; damage stays where it is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders.leases import MOST_LEASES, NEVER, Lease, LeaseFile, Malformed
from netwatchd.decoders.leases.lease import LONGEST_RECORD, mac_of_duid

MAC = "a4:83:e7:00:00:01"
DUID = "000100011d661fe2a483e7000001"  # RFC 8415 section 11.2: a time, and the MAC

NO_LINE = "a line should be: expiry, hardware address, address, name, client id"

DNSMASQ = f"""\
1795435200 {MAC} 192.168.1.5 phone 01:{MAC}
1795435300 a4:83:e7:00:00:02 192.168.1.6 * *
0 06-a4:83:e7:00:00:03 192.168.1.7 printer ff:00:00:00:02:00:03:00:01:a4:83:e7:00:00:03
1795435300 20-00:01:02:03:04:05:06:07 192.168.1.8 infiniband *
3600 a4:83:e7:00:00:04 192.168.1.9 old-router *
duid 00:01:00:01:24:90:cf:5b:08:00:27:61:2e:2c
1795435300 660684014 fd00::5 phone {":".join(DUID[at : at + 2] for at in range(0, len(DUID), 2))}
1795435300 T17 fd00::6 * 00:04:00:11:22:33
"""
ISC = r"""# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;

lease 10.0.0.5 {
  starts 4 2017/10/05 15:22:29;
  ends 1 2017/10/16 08:09:23;
  cltt 4 2017/10/05 16:22:29;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet a4:83:e7:00:00:01;
  uid "\001\244\203\347\"\\}";
  set vendor-class-identifier = "MSFT 5.0";
  set ddns-fwd-name = "other.example.com";
  client-hostname "K\303\274che; {1}";
  on expiry { if exists x { set y = "}"; } }
}
lease 10.0.0.6 {
  starts epoch 1507217549; # Thu Oct  5 15:32:29 2017
  ends never;
  binding state active;
  hardware token-ring a4:83:e7:00:00:02;
  uid 01:02:3;
  set ddns-fwd-name = "tv.example.com";
}
lease 10.0.0.7 {
  starts 2 2008/01/08 18:09:46;
  ends 2 2008/01/08 18:09:46;
  binding state abandoned;
  next binding state free;
}
lease 10.0.0.5 {
  starts 4 2017/10/05 18:22:29;
  ends 1 2017/10/05 18:22:29;
  cltt 4 2017/10/05 18:22:29;
  binding state free;
  hardware ethernet a4:83:e7:00:00:01;
}
host printer {
  dynamic;
  hardware ethernet a4:83:e7:00:00:03;
  fixed-address 10.0.0.9, printer.example.com;
}
host gone { dynamic; hardware ethernet a4:83:e7:00:00:04; }
host gone { dynamic; deleted; hardware ethernet a4:83:e7:00:00:04; }
server-duid "\000\001\000\001\035f\037-N\316\347\374,\226";
"""
ISC6 = r"""
ia-na "4dv\352\000\001\000\001\035f\037\342\244\203\347\000\000\001" {
  cltt 2 2015/08/18 16:55:37;
  iaaddr 2001:db8::60 {
    binding state active;
    preferred-life 375;
    max-life 600;
    ends 2 2015/08/18 17:05:37;
    set ddns-fwd-name = "laptop.example.com";
  }
  iaaddr 2001:db8::61 { binding state active; ends 2 2015/08/18 17:05:37; }
}
ia-pd "4dv\352\000\001\000\001\035f\037\342\244\203\347\000\000\001" {
  cltt 2 2015/08/18 16:55:40;
  iaprefix 2001:db8:5::/64 { binding state active; ends 2 2015/08/18 17:05:40; }
}
"""
KEA4 = f"""\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
192.168.1.5,{MAC},01:{MAC},3600,1795435200,1,0,0,phone.example.com.,0,{{ "a": 1&#x2c "b": "c" }},0
192.168.1.6,a4:83:e7:00:00:02,,4294967295,6090402495,1,0,0,,0,,0
192.168.1.7,,,3600,1795435200,1,0,0,,1,,0
192.168.1.8,a4:83:e7:00:00:04,,3600,1795435200,1,0,0,a&#x2cb,2,,0
192.168.1.9,a4:83:e7:00:00:05,,3600,1795435200,1,0,0,,3,,0
192.168.1.5,{MAC},01:{MAC},7200,1795440000,1,0,0,phone.example.com.,0,,0
192.168.1.6,a4:83:e7:00:00:02,,0,1795430000,1,0,0,,0,,0
"""
KEA6 = f"""\
address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,hostname,hwaddr,state,hwtype,hwaddr_source
fd00::5,{DUID},3600,1795435200,1,50,0,60,128,phone,{MAC},0,1,2
fd00::6,00:04:aa:bb,3600,1795435200,1,50,1,61,128,,a4:83:e7:00:00:02,0,1,4
2001:db8:5::,00:03:00:01:a4:83:e7:00:00:03,3600,1795435200,1,50,2,62,56,,,0,,
fd00::7,00,3600,1795435200,1,50,0,63,128,,,1,,
"""


def read(text: str, piece: int = 1 << 20) -> LeaseFile:
    file, data = LeaseFile(), text.encode()
    for at in range(0, len(data), piece):
        file.read(data[at : at + piece])
    return file


def of(text: str, address: str) -> Lease:
    (found,) = [each for each in read(text).leases.values() if each.address == parse_address(address)]
    return found


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "address", "expected"),
    [
        (DNSMASQ, "192.168.1.5", {"mac": MAC, "hostname": "phone", "client_id": "01a483e7000001", "end": 1795435200000,
                                  "start": None, "state": "active", "derived": False}),
        (DNSMASQ, "192.168.1.6", {"mac": "a4:83:e7:00:00:02", "hostname": None, "client_id": None}),
        (DNSMASQ, "192.168.1.7", {"mac": "a4:83:e7:00:00:03", "end": NEVER, "duid": "00030001a483e7000003"}),
        (DNSMASQ, "192.168.1.8", {"mac": None, "hostname": "infiniband"}),
        # A router without a clock writes how long a lease lasts.
        (DNSMASQ, "192.168.1.9", {"end": None, "state": "active"}),
        (DNSMASQ, "fd00::5", {"mac": MAC, "derived": True, "duid": DUID, "iaid": 660684014, "temporary": False}),
        (DNSMASQ, "fd00::6", {"mac": None, "derived": False, "duid": "000400112233", "iaid": 17, "temporary": True}),
        (ISC, "10.0.0.5", {"mac": MAC, "state": "free", "start": ms(2017, 10, 5, 18, 22, 29), "hostname": None}),
        (ISC[: ISC.index("lease 10.0.0.6")], "10.0.0.5", {
            "mac": MAC, "state": "active", "start": ms(2017, 10, 5, 15, 22, 29), "end": ms(2017, 10, 16, 8, 9, 23),
            "heard": ms(2017, 10, 5, 16, 22, 29), "seen": ms(2017, 10, 5, 16, 22, 29), "hostname": "Küche; {1}",
            "client_id": "01a483e7225c7d", "vendor_class": "MSFT 5.0"}),
        (ISC, "10.0.0.6", {"mac": None, "start": 1507217549000, "end": NEVER, "client_id": "010203",
                           "hostname": "tv.example.com"}),
        (ISC, "10.0.0.7", {"mac": None, "state": "abandoned", "start": ms(2008, 1, 8, 18, 9, 46)}),
        (ISC, "10.0.0.9", {"mac": "a4:83:e7:00:00:03", "state": "static", "hostname": "printer"}),
        (ISC6, "2001:db8::60", {"mac": MAC, "derived": True, "duid": DUID, "iaid": 0xEA766434, "state": "active",
                                "hostname": "laptop.example.com", "start": None, "seen": ms(2015, 8, 18, 16, 55, 37),
                                "end": ms(2015, 8, 18, 17, 5, 37), "prefix": None}),
        (ISC6, "2001:db8:5::", {"prefix": 64, "mac": MAC}),
        (ISC6.replace("ia-na", "authoring-byte-order big-endian;\nia-na"), "2001:db8::60", {"iaid": 0x346476EA}),
        (KEA4, "192.168.1.5", {"mac": MAC, "hostname": "phone.example.com", "start": 1795432800000,
                               "end": 1795440000000, "state": "active", "client_id": "01a483e7000001"}),
        (KEA4[: KEA4.rindex("192.168.1.6")], "192.168.1.6", {"end": NEVER, "start": 1795435200000}),
        (KEA4, "192.168.1.6", {"state": "removed"}),
        (KEA4, "192.168.1.7", {"state": "declined", "mac": None}),
        (KEA4, "192.168.1.8", {"state": "expired", "hostname": "a,b"}),
        (KEA4, "192.168.1.9", {"state": "released"}),
        (KEA6, "fd00::5", {"mac": MAC, "derived": True, "hostname": "phone", "iaid": 60, "temporary": False}),
        (KEA6, "fd00::6", {"mac": "a4:83:e7:00:00:02", "derived": False, "duid": "0004aabb", "temporary": True}),
        (KEA6, "2001:db8:5::", {"mac": "a4:83:e7:00:00:03", "derived": True, "prefix": 56}),
        (KEA6, "fd00::7", {"state": "declined", "mac": None, "duid": None}),
    ],
)  # fmt: skip
def test_a_lease_says_what_its_record_says(text: str, address: str, expected: dict[str, Any]) -> None:
    lease = of(text, address)
    assert {name: getattr(lease, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "format", "records", "leases"),
    [(DNSMASQ, "dnsmasq", 7, 7), (ISC, "isc", 7, 4), (ISC6, "isc", 2, 3), (KEA4, "kea", 7, 5), (KEA6, "kea", 4, 4),
     ("", None, 0, 0), ("# nothing yet\n\n", None, 0, 0)],
)  # fmt: skip
def test_the_content_tells_the_format_however_it_is_cut(
    text: str, format: str | None, records: int, leases: int
) -> None:
    whole = read(text)
    assert (whole.format, whole.records, len(whole.leases)) == (format, records, leases)
    assert (whole.is_whole, whole.bad.total()) == (True, 0)
    for piece in (1, 7, 100):
        other = read(text, piece)
        assert (other.format, other.leases, other.records, other.bad) == (format, whole.leases, records, whole.bad)


def test_a_hostname_is_a_clue_without_its_domain_and_a_client_id_that_repeats_the_mac_is_none() -> None:
    assert of(KEA4, "192.168.1.5").clues() == (("dhcp_hostname", "phone"),)
    assert of(DNSMASQ, "192.168.1.7").clues() == (
        ("dhcp_hostname", "printer"), ("dhcp_client_id", "ff0000000200030001a483e7000003"),
        ("dhcp_duid", "00030001a483e7000003"),
    )  # fmt: skip


def test_an_ia_names_all_addresses_that_its_client_has() -> None:
    first = ISC6.index("ia-pd")
    renewed = ISC6[1:first].replace("  iaaddr 2001:db8::61 { binding state active; ends 2 2015/08/18 17:05:37; }\n", "")
    assert {lease.address for lease in read(ISC6[:first] + renewed).leases.values()} == {parse_address("2001:db8::60")}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (DNSMASQ.replace("192.168.1.5", "192.168.1.500"), "the address is none"),
        (DNSMASQ.replace(f" {MAC} ", " a4:83:zz "), "the hardware address is none"),
        (DNSMASQ.replace(" T17 ", " X17 "), "the IAID is no number"),
        (DNSMASQ.replace("phone 01:a4", "phone xx:a4"), "the client id is not hexadecimal"),
        (DNSMASQ.replace("1795435200 ", "soon "), NO_LINE),
        (ISC.replace("ends never;\n", 'x "never;\n'), "a text is not closed"),
        (ISC.replace("lease 10.0.0.7 {\n", "lease 10.0.0.7 {{{{{{{{{\n"), "blocks are nested too deeply"),
        (ISC.replace("next binding state free;\n}\nlease", "\nlease"), "a block is not closed"),
        (ISC.replace("2017/10/05 15", "2017/13/05 15"), "a time is none"),
        (ISC.replace("epoch 1507217549", "epoch soon"), "a time is none"),
        (ISC.replace("lease 10.0.0.7 {", "lease {"), "a lease has no name"),
        (ISC6.replace(r"4dv\352\000\001\000\001\035f\037\342\244\203\347\000\000", "", 1),
         "the name of an ia-na should be an IAID and a DUID"),
        (KEA4.replace("192.168.1.7", "192.168.1"), "the address is none"),
        (KEA4.replace(",3600,1795435200,1,0,0,,1,,0", ""), "a row has no valid_lifetime"),
        (KEA4.replace(",4294967295,", ",many,"), "a number is none"),
    ],
)  # fmt: skip
def test_a_damaged_record_takes_no_other_along(broken: str, reason: str) -> None:
    file = read(broken)
    assert reason in file.bad, file.bad
    good = read({"dnsmasq": DNSMASQ, "isc": ISC6 if "ia-na" in broken else ISC, "kea": KEA4}[str(file.format)])
    assert len(good.leases) - len(file.leases) <= 3
    assert file.leases


@pytest.mark.parametrize("text", ["hello\nworld\n", "{}\n", "\0\1\2\n", "1 2 3\n" * 100, "root:x:0:0:\n"])
def test_what_is_no_file_of_leases_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)
    with pytest.raises(Malformed):
        read("x" * (LONGEST_RECORD + 2))


def test_half_a_record_at_the_end_waits_for_the_rest() -> None:
    for text in (DNSMASQ, ISC, KEA4):
        file, data = LeaseFile(), text.encode()
        file.read(data[:-9])
        assert not file.is_whole
        assert not file.bad
        file.read(data[-9:])
        assert file.is_whole
        assert file.leases == read(text).leases


def test_memory_is_bounded() -> None:
    lines = [f"1795435200 * 10.{number >> 16}.{number >> 8 & 255}.{number & 255} * *\n" for number in range(1, 20_100)]
    file = read("".join(lines).replace(" * 10", " a4:83:e7:00:00:01 10"), 1 << 16)
    assert (len(file.leases), file.left_out) == (MOST_LEASES, 99)
    file = read(DNSMASQ + "1" * (LONGEST_RECORD * 2) + "\n" + DNSMASQ, 1 << 15)
    assert file.is_whole
    assert [*file.bad] == [f"a record is longer than {LONGEST_RECORD} bytes"]
    assert file.records == 14


@pytest.mark.parametrize(
    ("duid", "mac"),
    [
        (DUID, MAC), ("00030001" + "a483e7000001", MAC), ("00030006" + "a483e7000001", MAC),
        ("00030020" + "a483e7000001", None), ("0002000000090cc084d303000912", None), ("00030001a483e70000", None),
        ("00030001" + "0183e7000001", None), ("0001", None), ("", None),
    ],
)  # fmt: skip
def test_a_duid_that_is_made_of_a_mac_tells_it(duid: str, mac: str | None) -> None:
    assert mac_of_duid(bytes.fromhex(duid)) == mac


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_name_is_shown_or_none(name: str) -> None:
    octets = "".join(f"\\{octet:03o}" for octet in name.encode())
    lease = of(f'lease 10.0.0.1 {{\n client-hostname "{octets}";\n}}\n', "10.0.0.1")
    assert lease.hostname is None or (lease.hostname.isprintable() and lease.hostname)
    if name.isprintable() and name.strip(". ") == name and name.strip():
        assert lease.hostname == name
