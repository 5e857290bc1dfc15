"""Whatever is seen, merged, split and restarted, no device is lost, and totals are conserved."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ingest_kit import T0, Recorder, devices_of, later
from merging_kit import ADA, NEW, OLD, PIXEL, THIRD, seen
from running import MAC

from netwatchd.addresses import address_text
from netwatchd.events import Alias, Clue, Forget, Merge, Split, Status, Trait
from netwatchd.ingest.flows import Flows

MACS = [OLD, NEW, THIRD, MAC, "5a:00:00:00:00:04"]
IPS = [0xC0A80100 + n for n in range(2, 8)]
CLUES = [(), ADA, PIXEL, (Clue("dhcp_duid", "00020000ab11aabbccddeeff"),), (Clue("hosts_name", "server"),)]
_MAC, _IP, _CLUES = st.sampled_from(MACS), st.sampled_from(IPS), st.sampled_from(CLUES)


class Home(RuleBasedStateMachine):
    """Devices come, change their MACs and addresses, and the daemon is restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.macs: set[str] = set()  # that were seen
        self.traffic = [0, 0]
        self.told = Recorder()
        self.devices = devices_of(self.told)
        self.devices.remember([], T0)

    @rule(mac=_MAC, ip=_IP, clues=_CLUES, after=st.sampled_from([0, 0.3, 2, 400]))
    def is_seen(self, mac: str, ip: int, clues: tuple[Clue, ...], after: float) -> None:
        self.now += after
        self.devices.see([seen(mac, self.now, clues, ip)], later(self.now))
        self.macs.add(mac)

    @rule(ip=_IP, clues=_CLUES, alive=st.booleans())
    def address_is_seen(self, ip: int, clues: tuple[Clue, ...], alive: bool) -> None:
        self.devices.see([seen(None, self.now, clues, ip, alive=alive)], later(self.now))

    @rule(mac=_MAC)
    def leaves(self, mac: str) -> None:
        if mac in self.macs:
            self.devices.see([seen(mac, self.now, online=False)], later(self.now))

    @rule(macs=st.lists(_MAC, min_size=2, max_size=2), times=st.integers(1, 6))
    def take_turns(self, macs: list[str], times: int) -> None:
        for mac in macs * times:
            self.now += 3
            self.devices.see([seen(mac, self.now)], later(self.now))
            self.devices.tick(later(self.now))
            self.macs.add(mac)

    @rule(mac=_MAC, count=st.integers(0, 1000))
    def sends(self, mac: str, count: int) -> None:
        if mac in self.macs:
            self.devices.account({mac: [count, 2 * count, 1]}, {}, later(self.now))
            self.traffic = [self.traffic[0] + count, self.traffic[1] + 2 * count]

    @rule(after=st.sampled_from([0.5, 1.5, 2000]))
    def time_passes(self, after: float) -> None:
        self.now += after
        self.devices.tick(later(self.now))
        self.devices.sweep(later(self.now))

    @rule(one=_MAC | _IP.map(address_text), other=_MAC | _IP.map(address_text))
    def user_merges(self, one: str, other: str) -> None:
        answer = self.devices.act(Merge(one, other), later(self.now))
        assert answer is None or answer.startswith("there is no device") or answer.endswith(")")

    @rule(mac=_MAC)
    def user_splits(self, mac: str) -> None:
        was_alias = self.devices.identities.key_of(mac) != mac
        answer = self.devices.act(Split(mac), later(self.now))
        assert (answer is None) == was_alias

    @rule(mac=_MAC)
    def user_forgets(self, mac: str) -> None:
        device = self.devices.find(mac)
        assert (self.devices.act(Forget(mac), later(self.now)) is None) == (device is not None)
        if device is not None:
            self.macs -= {*device.macs, device.mac}
            self.traffic = [self.traffic[0] - device.bytes_in, self.traffic[1] - device.bytes_out]

    @rule()
    def settles(self) -> None:
        Flows(self.devices, self.told, self.told).settle()

    @precondition(lambda self: self.macs)
    @rule(seen_first=st.none() | st.sampled_from(MACS))
    def is_restarted(self, seen_first: str | None) -> None:
        """The next run reads what the last one has kept, before or after it sees the first device."""
        self.settles()
        stored = [row for row in self.told.rows.values() if row]
        kept: list[Any] = list(self.told.records.values())
        self.devices = devices_of(self.told)
        if seen_first:
            self.devices.see([seen(seen_first, self.now)], later(self.now))
            self.macs.add(seen_first)
        self.devices.remember(stored, later(self.now), kept)

    @invariant()
    def no_device_is_lost(self) -> None:
        for mac in self.macs:
            device = self.devices.find(mac)
            assert device is not None
            assert mac in (device.macs or (device.mac,))
        keys = [device.mac or address_text(device.ips[0]) for device in self.devices.all()]
        assert len(keys) == len(set(keys))
        assert {key for key, row in self.told.rows.items() if row} == set(keys)

    @invariant()
    def every_address_has_its_owner(self) -> None:
        owned = {ip: self.devices.owner_of(ip) for ip in IPS}
        for ip, owner in owned.items():
            assert owner is None or ip in self.devices.find(owner).ips  # type: ignore[union-attr]
        for device in self.devices.all():
            key = device.mac or address_text(device.ips[0])
            assert {owned[ip] for ip in device.ips if isinstance(ip, int)} <= {key}

    @invariant()
    def totals_are_conserved(self) -> None:
        devices = self.devices.all()
        assert [sum(device.bytes_in for device in devices), sum(device.bytes_out for device in devices)] == self.traffic

    @invariant()
    def the_store_knows_which_are_one(self) -> None:
        aliases = [each for each in self.told.records.values() if isinstance(each, Alias)]
        assert {each.mac: each.device for each in aliases if each.undone is None} == {
            mac: device.mac for device in self.devices.all() for mac in device.macs if mac != device.mac
        }
        stations = {mac for device in self.devices.all() for mac in device.macs or (device.mac,)}
        traits = {each.station for each in self.told.records.values() if isinstance(each, Trait)}
        assert {station for station in traits if len(station) == len(MAC)} <= stations

    @invariant()
    def who_was_told_apart_by_the_user_or_proof_is_not_one(self) -> None:
        for alias in (each for each in self.told.records.values() if isinstance(each, Alias)):
            if alias.undone is None:
                known = self.devices.find(alias.mac)
                assert known is not None
                assert any(alias.mac in sentence for sentence in known.evidence)

    @invariant()
    def statuses_are_what_presence_says(self) -> None:
        for device in self.devices.all():
            key = device.mac or address_text(device.ips[0])
            assert device.status is Status(self.devices.presence.status_of(key))


TestHome = Home.TestCase
TestHome.settings = settings(max_examples=50, stateful_step_count=25)
