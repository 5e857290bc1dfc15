"""Who talks with what is listed is told of, once and with what decided; the noise of the internet is not."""

from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, flow, panel, shown, told, unanswered

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.blocklist import MOST_PAIRS, MOST_TARGETS, Blocklist
from netwatchd.detectors.panel import Panel
from netwatchd.events import Flow, FlowBatch, Threat
from netwatchd.listings import Listing
from netwatchd.observations import DnsMessage

BAD, WORSE, AD = "203.0.113.66", "203.0.113.67", "198.51.100.99"
FEODO = Listing("feodo", "threat", "high", NOON - 7_200_000, BAD, "Dridex")
IPSUM = Listing("ipsum-3", "threat", "medium", NOON - 3_600_000, WORSE, "")
TRACKER = Listing("adaway", "tracker", "info", NOON, "ads.example", "")
EVIL = Listing("threatfox", "threat", "high", NOON, "evil.example", "Cobalt Strike")


def street() -> Street:
    home = Street()
    home.lists = {
        parse_address(BAD): (FEODO,), parse_address(WORSE): (IPSUM,), parse_address(AD): (TRACKER,),
        "evil.example": (EVIL,), "www.evil.example": (EVIL,), "ads.example": (TRACKER,),
    }  # fmt: skip
    return home


def watching(**settings: object) -> Panel:
    return panel(street(), blocklist=config.Blocklist(**settings))  # type: ignore[arg-type]


def again(on: Panel, *flows: Flow) -> list[Finding]:
    """Flows that were told before."""
    return on.flows(FlowBatch(list(flows), [None] * len(flows)), [0] * len(flows))


def threats(found: list[Finding]) -> list[Threat]:
    return [each for each in found if isinstance(each, Threat) and each.kind == "blocklist"]


def asked(name: str, at: float = 0, answer: bool = False, **fields: object) -> DnsMessage:
    told: dict[str, object] = {"client": AT[LAPTOP], "server": AT[ROUTER], "code": 0, "addresses": ()} | fields
    return DnsMessage(
        NOON + int(at * 1000), "capture", parse_address(str(told["client"])), parse_address(str(told["server"])), name,
        1, answer, told["code"], 60, 7, tuple(map(parse_address, told["addresses"])),  # type: ignore[arg-type]
    )  # fmt: skip


# Flows.


def test_an_answered_conversation_with_a_listed_address_is_told_with_what_decided() -> None:
    (found,) = threats(shown(watching(), [flow(dst=BAD)]))
    assert (found.severity, found.device, found.target) == ("high", LAPTOP, BAD)
    assert found.description == (
        "laptop, 192.168.1.20 talked with 203.0.113.66 at port 443, sent 900 bytes and got 5 kB; "
        "that stands in the list feodo (Dridex, fetched 2 h before)"
    )
    assert found.evidence["lists"] == [
        {"list": "feodo", "entry": BAD, "note": "Dridex", "fetched": NOON - 7_200_000}
    ]  # fmt: skip
    assert (found.evidence["direction"], found.evidence["ports"]) == ("outbound", [443])
    assert (found.evidence["bytes_out"], found.evidence["bytes_in"]) == (900, 5000)
    assert "malware" in found.recommendation
    assert "allow of [blocklists]" in found.recommendation


def test_an_attempt_is_told_at_once_and_worse_when_it_is_answered() -> None:
    on = watching()
    (attempt,) = threats(shown(on, [unanswered(dst=BAD, state="new", out=(0, 0))]))
    assert (attempt.severity, attempt.evidence["answered"]) == ("medium", False)
    assert "tried to reach 203.0.113.66 at port 443, without an answer so far" in attempt.description
    (answered,) = threats(again(on, flow(dst=BAD)))
    assert (answered.severity, answered.target, answered.evidence["connections"]) == ("high", BAD, 1)
    assert (answered.evidence["bytes_out"], answered.evidence["bytes_in"]) == (900, 5000)


def test_a_refused_attempt_is_an_attempt() -> None:
    (found,) = threats(shown(watching(), [flow(dst=BAD, out=(1, 60), back=(1, 40), state="rejected")]))
    assert found.severity == "medium"


def test_a_flow_that_goes_on_is_counted_once_and_told_seldom() -> None:
    on = watching()
    live = [flow(dst=BAD, seconds=at, state="active", out=(at, at * 100), back=(at, at * 10)) for at in range(2, 600)]
    found = threats(shown(on, live[:1])) + threats(again(on, *live[1:]))
    found += threats(again(on, flow(dst=BAD, seconds=600, out=(600, 60_000), back=(600, 6000))))
    assert len(found) == 1
    (last,) = threats(again(on, flow(dst=BAD, at=4000, out=(700, 70_000), back=(700, 7000), state="active")))
    assert (last.evidence["connections"], last.evidence["bytes_out"]) == (1, 130_000)


def test_many_connections_make_one_row_that_is_told_when_it_has_doubled() -> None:
    found = threats(shown(watching(), [flow(number, dst=BAD, at=number) for number in range(1000)]))
    assert {(each.device, each.target) for each in found} == {(LAPTOP, BAD)}
    assert len(found) <= 8
    assert found[-1].evidence["connections"] >= 500


def test_beginnings_that_come_out_of_order_are_told_all_the_same() -> None:
    found = threats(shown(watching(), [flow(number, dst=BAD, at=1000 - number) for number in range(1000)]))
    assert 1 <= len(found) <= 10


def test_a_reputation_is_less_than_a_command_server() -> None:
    assert [each.severity for each in threats(shown(watching(), [flow(dst=WORSE)]))] == ["medium"]
    assert [each.severity for each in threats(shown(watching(), [unanswered(dst=WORSE)]))] == ["low"]


def test_the_worst_of_several_lists_decides_and_all_are_named() -> None:
    home = street()
    home.lists[parse_address(BAD)] = (IPSUM, TRACKER, FEODO)
    (found,) = threats(shown(panel(home), [flow(dst=BAD)]))
    assert found.severity == "high"
    assert [each["list"] for each in found.evidence["lists"]] == ["feodo", "ipsum-3"]
    assert found.description.endswith("in the list feodo (Dridex, fetched 2 h before) and 1 other")


def test_knocks_of_listed_hosts_are_noise_unless_data_went_back() -> None:
    knocks = [
        unanswered(1, src=BAD, dst=AT[NAS], dport=22),
        unanswered(2, src=BAD, dst=AT[NAS], dport=53, protocol="udp"),
        flow(3, src=BAD, dst=AT[NAS], dport=22, out=(1, 60), back=(1, 40), state="rejected"),
        flow(4, src=BAD, dst=AT[NAS], dport=22, out=(1, 60), back=(6, 360), state="timeout"),  # a half-open SYN
        flow(5, src=BAD, dst=AT[NAS], dport=22, out=(3, 152), back=(1, 60), state="reset"),  # a port scan by connect()
        flow(6, src=BAD, dst=AT[NAS], dport=22, out=(4, 210), back=(3, 164), state="closed"),  # nothing was said
        flow(7, src=BAD, sport=8, dst=AT[NAS], dport=0, protocol="icmp", out=(1, 84), back=(1, 84)),
        flow(8, src=AT[NAS], sport=3, dst=BAD, dport=3, protocol="icmp", out=(1, 84), back=(0, 0)),  # our refusal
        unanswered(9, src=BAD, sport=443, dst=AT[NAS], dport=51_234),
    ]
    assert not threats(shown(watching(), knocks))


def test_a_listed_host_that_is_served_is_told() -> None:
    served = flow(src=BAD, dst=AT[NAS], dport=22, out=(12, 1800), back=(11, 3200))
    (found,) = threats(shown(watching(), [served]))
    assert (found.severity, found.device, found.target) == ("medium", NAS, BAD)
    assert found.description.startswith("203.0.113.66 connected to nas (nas), 192.168.1.10 at port 22 and got 3 kB;")
    assert found.evidence["direction"] == "inbound"


def test_a_conversation_of_ours_that_was_joined_in_its_middle_is_outbound() -> None:
    joined = flow(src=BAD, sport=443, dst=AT[LAPTOP], dport=51_234, out=(90, 90_000), back=(60, 4000), state="partial")
    (found,) = threats(shown(watching(), [joined]))
    assert (found.severity, found.evidence["direction"]) == ("high", "outbound")
    assert (found.evidence["bytes_out"], found.evidence["bytes_in"]) == (4000, 90_000)


def test_devices_here_are_not_told_of_where_the_network_of_their_provider_is_listed() -> None:
    home = street()
    home.lists[parse_address("2001:db8::20")] = (IPSUM,)
    home.devices[LAPTOP] = device(LAPTOP, AT[LAPTOP], "2001:db8::20")
    served = {"out": (12, 1800), "back": (11, 3200)}
    flows = [
        flow(src="2001:db8::20", dst="2001:db8:1::1", **served),
        flow(1, src=AT[NAS], dst="2001:db8::20", **served),
    ]
    assert not threats(shown(panel(home), flows, home))


def test_a_ping_to_a_listed_address_is_told() -> None:
    assert threats(shown(watching(), [flow(sport=8, dst=BAD, dport=0, protocol="icmp", out=(1, 84), back=(0, 0))]))


def test_whoever_is_in_no_list_or_only_in_one_of_trackers_is_not_told() -> None:
    assert not threats(shown(watching(), [flow(), flow(1, dst=AD)]))
    assert not watching().observe([asked("ads.example"), asked("good.example")])
    (found,) = threats(shown(watching(trackers=True), [flow(dst=AD)]))
    assert found.severity == "info"


def test_it_can_be_switched_off() -> None:
    assert not threats(shown(watching(enabled=False), [flow(dst=BAD)]))


# Names.


def test_a_question_for_a_listed_name_is_told_by_the_entry() -> None:
    (found,) = threats(watching().observe([asked("www.evil.example")]))
    assert (found.severity, found.device, found.target) == ("medium", LAPTOP, "evil.example")
    assert found.description == (
        "laptop, 192.168.1.20 asked for www.evil.example, and that stands in the list threatfox "
        "(Cobalt Strike, just fetched)"
    )  # fmt: skip
    assert found.evidence["name"] == "www.evil.example"


def test_a_thousand_questions_are_told_a_few_times() -> None:
    on = watching()
    found = threats([each for at in range(1000) for each in on.observe([asked("evil.example", at)])])
    assert len(found) <= 8
    assert {each.target for each in found} == {"evil.example"}


def test_talking_with_the_answer_raises_it() -> None:
    on = watching()
    on.observe([asked("evil.example"), asked("evil.example", 0.1, answer=True, addresses=["192.0.2.77"])])
    (found,) = threats(shown(on, [flow(at=1, dst="192.0.2.77")]))
    assert (found.severity, found.device, found.target) == ("high", LAPTOP, "evil.example")
    assert "talked with evil.example (192.0.2.77) at port 443" in found.description
    # Another device, and much later, it may be another name at this address.
    assert not threats(shown(on, [flow(1, at=2, src=AT[NAS], dst="192.0.2.77"), flow(2, at=900, dst="192.0.2.77")]))


def test_a_blocked_answer_leads_nowhere() -> None:
    on = watching()
    on.observe([asked("evil.example"), asked("evil.example", 0.1, answer=True, addresses=["0.0.0.0", "192.168.1.1"])])
    assert not threats(shown(on, [flow(at=1, dst="192.168.1.1", dport=80)]))


def test_a_resolver_here_that_passes_a_question_on_is_not_told() -> None:
    passed_on = asked("evil.example", 0.01, client=AT[ROUTER], server="198.51.100.53")
    found = threats(watching().observe([asked("evil.example"), passed_on]))
    assert [each.device for each in found] == [LAPTOP]
    assert [each.device for each in threats(watching().observe([passed_on]))] == [ROUTER]


def test_a_log_that_tells_of_question_and_answer_at_once_is_told_once() -> None:
    (found,) = threats(watching().observe([asked("evil.example", answer=True, code=3)]))
    assert found.evidence["answer"] == "there is no such name"


def test_a_list_that_is_younger_than_what_happened_has_no_age() -> None:
    home = street()
    home.lists[parse_address(BAD)] = (FEODO._replace(fetched=NOON + 86_400_000, note=""),)
    (found,) = threats(shown(panel(home), [flow(dst=BAD)]))
    assert found.description.endswith("in the list feodo")


# Bounds.


def test_a_device_that_talks_with_many_listed_hosts_gets_few_rows() -> None:
    home = Street()
    ips = [f"203.0.{number >> 8}.{number & 255}" for number in range(2000)]
    home.lists = {parse_address(ip): (IPSUM._replace(entry=ip),) for ip in ips}
    found = threats(shown(panel(home), [flow(number, at=number, dst=ip) for number, ip in enumerate(ips)]))
    targets = {each.target for each in found}
    assert len(targets) == MOST_TARGETS + 1
    assert "list ipsum-3" in targets
    assert len(found) < 60
    assert "and others" in found[-1].description


def test_sources_that_are_made_up_neither_fill_it_nor_hide_who_is_real() -> None:
    on = watching()
    detector: Blocklist = on.detectors["blocklist"]
    for number in range(MOST_PAIRS + 500):
        made_up = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        shown(on, [unanswered(number, src=made_up, dst=BAD)])
        on.observe([asked("evil.example", client=made_up, answer=True, addresses=[f"192.0.{number >> 8 & 255}.9"])])
    assert len(detector._contacts) <= MOST_PAIRS
    assert len(detector._resolved) <= MOST_PAIRS
    assert told(shown(on, [flow(99_999, dst=BAD)])) == [("blocklist", LAPTOP, BAD)]


def test_unanswered_knocks_leave_nothing_behind() -> None:
    on = watching()
    shown(on, [unanswered(number, src=BAD, dst=AT[NAS], dport=number) for number in range(1000)])
    assert not len(on.detectors["blocklist"]._contacts)
