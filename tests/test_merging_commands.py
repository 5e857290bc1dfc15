"""The user merges devices, tells them apart and has them forgotten."""

from typing import Any

import pytest
from ingest_kit import T0, Recorder, later
from merging_kit import (
    LAPTOP,
    NEW,
    OLD,
    PHONE,
    ROUTER,
    THIRD,
    Watcher,
    a_phone_changed_its_mac,
    begun,
    macs_of,
    pass_time,
    seen,
)
from running import MAC, OTHER_MAC

from netwatchd.events import Clue, Forget, Gone, Merge, Rename, Split, Status
from netwatchd.ingest.flows import Flows

# The user's word.


def test_the_user_merges_any_two_devices() -> None:
    told = Recorder()
    devices = begun(told)
    devices.see([seen(MAC, 0, ip=LAPTOP), seen(OTHER_MAC, 0, ip=PHONE), seen(None, 0, ip=ROUTER)], T0)
    assert devices.act(Rename(OTHER_MAC, "dock"), T0) is None
    assert devices.act(Merge(OTHER_MAC, MAC), later(1)) is None
    assert devices.act(Merge(MAC, "192.168.1.1"), later(2)) is None
    (one,) = devices.all()
    assert (one.mac, one.name, set(one.ips)) == (MAC, "dock", {LAPTOP, PHONE, ROUTER})
    assert set(one.macs) == {MAC, OTHER_MAC}
    assert f"{OTHER_MAC} is the same device: the user says so" in one.evidence
    devices.see([seen(None, 3, ip=ROUTER)], later(3))
    assert len(devices.all()) == 1


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (Merge(THIRD, MAC), f"there is no device '{THIRD}'"),
        (Merge(MAC, THIRD), f"there is no device '{THIRD}'"),
        (Merge(MAC, MAC), "are the same device already"),
        (Merge(NEW, OLD), "are the same device already"),
        (Merge("192.168.1.6", NEW), "are the same device already"),
        (Split(THIRD), f"there is no device '{THIRD}'"),
        (Split(MAC), "is the only MAC of its device"),
        (Split(OLD), f"is what its device is known by: split {NEW} from it"),
        (Forget(THIRD), f"there is no device '{THIRD}'"),
        (Rename("printer", "x"), "there is no device 'printer'"),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_sentence(command: Any, answer: str) -> None:
    devices = begun(Recorder())
    devices.see([seen(OLD, 0, ip=PHONE), seen(NEW, 0), seen(MAC, 0)], T0)
    assert devices.act(Merge(NEW, OLD), T0) is None
    assert answer in (devices.act(command, T0) or "")
    assert len(devices.all()) == 2


def test_an_alias_names_its_device() -> None:
    devices = begun(Recorder())
    devices.see([seen(OLD, 0, ip=PHONE), seen(NEW, 0), seen(MAC, 0)], T0)
    assert devices.act(Merge(NEW, OLD), T0) is None
    assert devices.act(Rename(NEW, "Ada's phone"), T0) is None
    assert devices.act(Rename("192.168.1.6", "Ada's phone 2"), T0) is None
    assert [device.name for device in devices.all()] == ["Ada's phone 2", None]
    assert devices.act(Merge(NEW, MAC), T0) is None, "a chain is flattened"
    (one,) = devices.all()
    assert (one.mac, set(one.macs), one.name) == (MAC, {OLD, NEW, MAC}, "Ada's phone 2")
    assert {mac: devices.identities.key_of(mac) for mac in (OLD, NEW, MAC)} == dict.fromkeys((OLD, NEW, MAC), MAC)


def test_a_split_gives_back_what_the_mac_was_and_it_is_not_merged_again() -> None:
    told, watcher = Recorder(), Watcher()
    devices = a_phone_changed_its_mac(told)
    devices.account({NEW: [3, 4, 1]}, {}, later(3600))
    pass_time(devices, 3602)
    devices.account({OLD: [100, 200, 1]}, {}, later(3603))
    Flows(devices, told, told).settle()
    devices.watch = watcher
    assert devices.act(Split(NEW), later(3700)) is None
    old, new = devices.all()
    assert (old.mac, old.ips, old.bytes_in, old.bytes_out, old.macs) == (OLD, (PHONE,), 110, 220, ())
    assert (new.mac, new.ips, new.bytes_in, new.bytes_out, new.macs) == (NEW, (LAPTOP,), 3, 4, ())
    assert (new.first_seen, new.status) == (later(3600).wall, Status.ONLINE)
    assert not [sentence for sentence in old.evidence if NEW in sentence]
    assert watcher.heard == [], "what the user says is no news"
    assert told.rows[OLD] == old
    assert told.rows[NEW] == new
    devices.see([seen(NEW, 3800, (Clue("mdns_name", "Adas-iPhone"),))], later(3800))
    pass_time(devices, 3810)
    assert len(devices.all()) == 2
    assert devices.act(Merge(NEW, OLD), later(3900)) is None, "but the user may change his mind"
    assert len(devices.all()) == 1


def test_a_name_that_came_with_a_mac_goes_with_it() -> None:
    for name_old, name_new, after in ((None, "hers", [None, "hers"]), ("his", "hers", ["his", "hers"])):
        devices = begun(Recorder())
        devices.see([seen(OLD, 0), seen(NEW, 0)], T0)
        for mac, name in ((OLD, name_old), (NEW, name_new)):
            devices.act(Rename(mac, name), T0)
        assert devices.act(Merge(NEW, OLD), T0) is None
        assert [device.name for device in devices.all()] == [name_old or name_new]
        assert devices.act(Split(NEW), T0) is None
        assert [device.name for device in devices.all()] == after


def test_nothing_of_a_forgotten_device_is_kept_and_seen_again_it_is_new() -> None:
    told, watcher = Recorder(), Watcher()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    devices.watch = watcher
    assert devices.act(Forget(NEW), later(3610)) is None
    assert devices.all() == []
    assert (devices.owner_of(PHONE), devices.owner_of(LAPTOP)) == (None, None)
    assert told.published[-1] == Gone(OLD)
    assert watcher.heard == [(OLD, None)]
    assert told.erased == [(OLD, frozenset({OLD, NEW}))]
    assert {key: row for key, row in told.rows.items() if row} == {}
    assert told.records == {}
    devices.publish_progress()
    assert devices.take_unsettled() == []
    devices.sweep(later(10**6))
    devices.see([seen(NEW, 3620, ip=LAPTOP)], later(3620))
    assert macs_of(devices) == [(NEW, ())]
    assert watcher.new == [NEW]
    assert devices.all()[0].hostname is None
