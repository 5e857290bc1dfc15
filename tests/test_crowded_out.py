"""A flood of made-up MACs: whoever comes after it is seen all the same, and nobody who belongs here is lost for it."""

from ingest_kit import T0, Recorder, devices_of, later
from merging_kit import PIXEL, seen
from running import MAC

from netwatchd.events import Gone, Rename

MOST = 1000
NAMED = "02:ff:00:00:00:01"


def made_up(number: int) -> str:
    return f"06:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def test_a_flood_crowds_out_itself_and_nobody_else() -> None:
    told = Recorder()
    devices = devices_of(told)
    devices.most = MOST
    devices.remember([], T0)
    devices.see([seen(MAC, 0), seen(NAMED, 0)], T0)
    devices.act(Rename(NAMED, "Ada's phone"), T0)
    devices.see([seen(MAC, 100)], later(100))
    for start in range(0, 3 * MOST, 250):
        moment = 200 + start / 5
        flood = [seen(made_up(each), moment, PIXEL if each % 50 == 0 else ()) for each in range(start, start + 250)]
        devices.see(flood, later(moment))
    assert len(devices.all()) <= MOST
    devices.see([seen("8c:79:f5:44:55:66", 1000)], later(1000))
    assert all(devices.find(mac) for mac in (MAC, NAMED, "8c:79:f5:44:55:66"))
    assert devices.find(made_up(0)) is None
    assert Gone(made_up(0)) in told.published
    rows = {key for key, row in told.rows.items() if row}
    assert rows == {each.mac for each in devices.all()}
    assert told.counters["dropped.devices.too_many"] == 0
    assert told.counters["dropped.devices.passed_by"] >= 2000


def test_where_all_belong_here_there_is_no_room() -> None:
    told = Recorder()
    devices = devices_of(told)
    devices.most = MOST
    devices.remember([], T0)
    for at in (0, 100):
        devices.see([seen(made_up(each), at) for each in range(MOST)], later(at))
    devices.see([seen(MAC, 200), seen(NAMED, 200)], later(200))
    assert len(devices.all()) == MOST
    assert told.counters["dropped.devices.too_many"] == 2
