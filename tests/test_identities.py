"""What stations show of themselves is kept, within bounds, and describes the device that they are."""

from hypothesis import given
from hypothesis import strategies as st
from ingest_kit import T0, Recorder, devices_of, later, sighting
from merging_kit import LAPTOP, PHONE, ROUTER, begun, seen
from running import MAC, OTHER_MAC

from netwatchd.addresses import address_text
from netwatchd.events import CLUES, Clue, Sighting, Trait
from netwatchd.identity.sameness import mark_of
from netwatchd.ingest.clues import (
    DISPLACED_AFTER,
    MOST_DISPLACED,
    MOST_OF_A_KIND,
    MOST_OF_A_STATION,
    MOST_WAITING,
    SPARED_AFTER,
    Clues,
)
from netwatchd.ingest.turns import SWITCHES, WITHIN, Turns

DAY = 86_400_000
NAME = Clue("dhcp_hostname", "laptop")


def kept(told: Recorder) -> dict[tuple[str, Clue], Trait]:
    """The traits that are in the store."""
    return {(each.station, each.clue): each for each in told.records.values() if isinstance(each, Trait)}


def test_a_clue_is_kept_with_who_saw_it_and_when() -> None:
    told = Recorder()
    devices = begun(told)
    devices.see([seen(MAC, 0, (NAME,), source="leases")], T0)
    devices.see([seen(MAC, 5, (NAME,), source="json")], later(5))
    assert kept(told) == {(MAC, NAME): Trait(MAC, NAME, "leases", T0.wall, T0.wall)}
    assert devices.all()[0].hostname == "laptop"


def test_what_a_source_says_without_saying_how_it_knows_is_a_clue_too() -> None:
    told = Recorder()
    devices = begun(told)
    devices.see([sighting(hostname="laptop", vendor="Acme")], T0)
    assert {clue for _, clue in kept(told)} == {Clue("hostname", "laptop"), Clue("vendor", "Acme")}
    assert (devices.all()[0].hostname, devices.all()[0].vendor) == ("laptop", "Acme")


def test_a_clue_that_is_shown_again_is_stored_once_a_day() -> None:
    told = Recorder()
    devices = begun(told)
    for hour in range(50):
        devices.see([seen(MAC, hour * 3600, (NAME,))], later(hour * 3600))
    (trait,) = kept(told).values()
    assert (trait.first_seen, trait.last_seen) == (T0.wall, later(25 * 3600).wall)


def test_of_names_the_latest_holds_however_often_it_changes() -> None:
    told = Recorder()
    devices = begun(told)
    for number in range(3 * MOST_OF_A_KIND):
        devices.see([sighting(hostname=f"host-{number}-7", time=later(number).wall)], later(number))
        assert devices.all()[0].hostname == f"host-{number}-7"
    names = {clue.value for _, clue in kept(told)}
    assert names == {f"host-{number}-7" for number in range(MOST_OF_A_KIND)}, "the card is spared"
    last = Clue("hostname", f"host-{3 * MOST_OF_A_KIND - 1}-7")
    assert (MAC, last) not in kept(told)
    devices.see([sighting(hostname=last.value, time=later(7200).wall)], later(7200))  # it has come to rest
    assert (MAC, last) in kept(told)


def test_of_names_the_latest_holds_also_when_it_is_an_old_one_again() -> None:
    told = Recorder()
    devices = begun(told)
    for at, name in enumerate(("a-1", "b-2", "a-1", "a-1")):
        devices.see([seen(MAC, at, (Clue("hostname", name),))], later(at))
        assert devices.all()[0].hostname == name
    devices.see([seen(MAC, 0, (Clue("hostname", "b-2"),))], later(9))
    assert devices.all()[0].hostname == "a-1", "it is of before"
    assert len([each for each in told.published if each.hostname]) == 3


def test_what_is_known_of_an_unseen_device_waits_until_it_shows_up() -> None:
    told = Recorder()
    devices = begun(told)
    printer, host = Clue("dhcp_hostname", "printer"), Clue("hosts_name", "host")
    devices.see([seen(MAC, 0, (printer,), alive=False), seen(None, 0, (host,), PHONE, alive=False)], T0)
    assert devices.all() == []
    assert kept(told) == {}
    devices.see([seen(MAC, 5, ip=PHONE)], later(5))
    assert {clue for _, clue in kept(told)} == {printer, host}
    assert devices.all()[0].hostname in ("printer", "host")


def test_the_name_of_an_address_goes_with_the_address() -> None:
    told = Recorder()
    devices = begun(told)
    host = Clue("hosts_name", "server")
    devices.see([seen(None, 0, (host,), PHONE, alive=False), seen(MAC, 1, ip=PHONE)], later(1))
    assert kept(told).keys() == {(MAC, host)}
    devices.see([seen(OTHER_MAC, 2, ip=PHONE)], later(2))
    assert kept(told).keys() == {(OTHER_MAC, host)}
    devices.see([seen(None, 3, (Clue("hosts_name", "other"),), PHONE, alive=False), seen(MAC, 4, ip=PHONE)], later(4))
    assert kept(told).keys() == {(MAC, host), (MAC, Clue("hosts_name", "other"))}


def test_what_an_address_has_shown_is_its_macs_once_that_is_known() -> None:
    told = Recorder()
    devices = begun(told)
    devices.see([seen(None, 0, (NAME,), PHONE)], T0)
    assert kept(told).keys() == {("192.168.1.6", NAME)}
    devices.see([seen(MAC, 5, ip=PHONE)], later(5))
    assert kept(told).keys() == {(MAC, NAME)}
    (device,) = devices.all()
    assert (device.mac, device.hostname) == (MAC, "laptop")


def test_the_users_name_is_his() -> None:
    devices = begun(Recorder())
    devices.see([seen(MAC, 0, (NAME,), name="his")], T0)
    devices.see([seen(MAC, 1, (Clue("mdns_name", "other"),))], later(1))
    assert devices.all()[0].name == "his"


def test_a_liar_fills_neither_the_memory_nor_the_card() -> None:
    told = Recorder()
    devices = begun(told)
    for n in range(2000):
        devices.see([seen(MAC, n, (Clue("mdns_service", f"_s{n}._tcp"),))], later(n))
    assert len(kept(told)) == MOST_OF_A_KIND
    for kind in CLUES:
        for n in range(20):
            devices.see([seen(MAC, 2000, (Clue(kind, f"x{n}"),))], later(2000))
    assert len(kept(told)) == MOST_OF_A_STATION
    after = 2000 + DISPLACED_AFTER / 1000
    devices.see([seen(MAC, after, (Clue("mdns_service", "_late._tcp"),))], later(after))
    assert (MAC, Clue("mdns_service", "_late._tcp")) in kept(told), "what was not shown for long makes room"
    assert len(kept(told)) == MOST_OF_A_STATION


def test_of_all_stations_those_go_first_that_showed_nothing_for_longest() -> None:
    told = Recorder()
    clues = Clues(told, mark_of, most=10)
    for n in range(20):
        clues.add(f"02:00:00:00:00:{n:02x}", [NAME], "json", T0.wall)
        clues.add(MAC, [NAME], "json", T0.wall)
    assert len(clues) == 10
    assert len(kept(told)) == 10
    assert clues.of([MAC]) == [NAME]
    assert len(clues.stations_with("laptop")) == 10


def test_made_up_stations_do_not_push_out_what_the_known_ones_have_shown() -> None:
    clues = Clues(Recorder(), mark_of, most=10)
    for time in (T0.wall, T0.wall + SPARED_AFTER):
        clues.add(MAC, [NAME], "json", time)
        clues.add(OTHER_MAC, [NAME], "json", time)
    for n in range(100):
        clues.add(f"02:00:00:00:00:{n:02x}", [NAME], "json", T0.wall + SPARED_AFTER)
    assert len(clues) == 10
    assert {MAC, OTHER_MAC, "02:00:00:00:00:63"} <= set(clues.stations())
    known = Clues(Recorder(), mark_of, most=2)  # where all are known, the one goes that was not heard for longest
    for n, mac in enumerate((MAC, OTHER_MAC, "50:c7:bf:00:00:01")):
        known.remember([Trait(mac, NAME, "json", T0.wall - SPARED_AFTER, T0.wall + n)])
    known.add("50:c7:bf:00:00:02", [NAME], "json", T0.wall + 9)
    assert len(known) == 2


def test_a_flood_of_clues_is_written_to_the_card_only_so_often() -> None:
    told = Recorder()
    clues = Clues(told, mark_of, most=10)
    for n in range(3 * MOST_DISPLACED):
        clues.add(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", [NAME], "json", T0.wall)
    assert len(clues) == len(kept(told)) == 10
    assert f"02:00:00:00:{(MOST_DISPLACED + 9) >> 8:02x}:{(MOST_DISPLACED + 9) & 255:02x}" in clues.stations()
    assert f"02:00:00:00:{(MOST_DISPLACED + 10) >> 8:02x}:{(MOST_DISPLACED + 10) & 255:02x}" not in clues.stations()
    clues.add(MAC, [NAME], "json", T0.wall + 60_000)
    assert clues.of([MAC]) == [NAME]


def test_what_waits_is_bounded() -> None:
    clues = Clues(Recorder(), mark_of)
    for n in range(MOST_WAITING + 100):
        clues.wait(sighting(None, ips=(ROUTER + n,)), [NAME])
    assert not clues.arrive(MAC, ROUTER, T0.wall)
    assert clues.arrive(MAC, ROUTER + MOST_WAITING + 99, T0.wall)
    for n in range(100):
        clues.wait(sighting(OTHER_MAC), [Clue("hostname", f"x{n}")])
    assert clues.arrive(OTHER_MAC, OTHER_MAC, T0.wall)
    assert len(clues.of([OTHER_MAC])) == MOST_OF_A_KIND


def test_what_was_kept_is_known_after_a_restart_and_the_oldest_goes_first() -> None:
    told = Recorder()
    traits = [Trait(f"02:00:00:00:00:{n:02x}", NAME, "json", T0.wall - n, T0.wall - n) for n in range(30)]
    for trait in traits:
        told.keep(trait)
    clues = Clues(told, mark_of, most=20)
    clues.remember(traits)
    assert set(clues.stations()) == {f"02:00:00:00:00:{n:02x}" for n in range(20)}
    assert len(kept(told)) == 20
    clues.add(MAC, [NAME], "json", T0.wall)
    assert "02:00:00:00:00:13" not in clues.stations()


_VALUE = st.sampled_from(["a", "b", "Adas-iPhone", "Pixel-7", "1,3,6"])
_CLUE = st.builds(
    Clue, st.sampled_from(["hostname", "hosts_name", "mdns_service", "dhcp_hostname", "dns_name"]), _VALUE
)
_SIGHTING = st.builds(
    lambda mac, ip, clues, time, alive: Sighting(
        T0.wall + time, "json", mac, (ip,) if ip or not mac else (), clues=tuple(clues), alive=alive
    ),
    st.sampled_from([MAC, OTHER_MAC, None]),
    st.sampled_from([LAPTOP, PHONE, ROUTER]),
    st.lists(_CLUE, max_size=4),
    st.integers(0, 3 * DAY),
    st.booleans(),
)


@given(st.lists(_SIGHTING, max_size=30))
def test_whatever_is_told_the_store_holds_exactly_what_is_known_and_of_devices_only(told: list[Sighting]) -> None:
    store = Recorder()
    devices = devices_of(store)
    devices.remember([], T0)
    for each in told:
        devices.see([each], later(3 * 86400))
    stations = {station for station, _ in kept(store)}
    known = {device.mac or address_text(device.ips[0]) for device in devices.all()}
    assert stations <= known
    again = Clues(Recorder(), mark_of)
    again.remember(kept(store).values())
    for device in devices.all():
        assert {clue for station, clue in kept(store) if station == device.mac} == set(again.of([device.mac or ""]))


def test_two_macs_take_turns_or_are_both_here() -> None:
    turns = Turns()
    told = [turns.shown("ab"[n % 2], n * 1000) for n in range(1, SWITCHES + 2)]
    assert told == [None] * SWITCHES + ["ab"[SWITCHES % 2]]
    slow = Turns()
    assert not any(slow.shown("ab"[n % 2], n * WITHIN) for n in range(1, 50))
    late = Turns()
    assert [late.shown(*each) for each in (("a", 10), ("b", 20), ("b", 90), ("a", 15), ("a", 16))] == [None] * 5
    between = [late.shown(*each) for each in (("a", 30), ("a", 40), ("b", 95), ("a", 92), ("a", 93))]
    assert between == [None, None, None, "b", None], "one excursion is told once"
