"""What each detector costs a flow: of ordinary traffic, told once and told while it lives, and of a scan."""

import gc
import random
import time
from collections.abc import Iterable

from bench.figures import show
from netwatchd import clock, config
from netwatchd.addresses import PRIVATE, Networks, parse_address
from netwatchd.cli.run import GARBAGE_THRESHOLDS
from netwatchd.counters import Counters
from netwatchd.detectors.panel import ALL, Panel
from netwatchd.events import Flow, FlowBatch, Sighting
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.home import Home
from netwatchd.storage.storage import Storage

FLOWS = 100_000
BATCH = 800
DEVICES = 40
_NOON = 1_700_049_600_000


def detectors() -> None:
    """A table: microseconds a flow, by detector and kind of traffic."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)  # as the daemon does
    traffic = {"usual": list(_usual()), "live": list(_live()), "scan": list(_scan())}
    show("microseconds a flow", "  ".join(f"{name:>6}" for name in traffic))
    for names in (*([name] for name in ALL), list(ALL)):
        costs = [max(_cost(names, flows) - _cost([], flows), 0.0) for flows in traffic.values()]
        show("all together" if len(names) > 1 else names[0], "  ".join(f"{cost:6.2f}" for cost in costs))


def _cost(names: list[str], batches: list[FlowBatch]) -> float:
    """Microseconds of CPU that these detectors cost a flow: the best of three runs."""
    best = float("inf")
    for _ in range(3):
        settings = config.Config(**{name: type(getattr(config.Config(), name))(enabled=False) for name in ALL})
        settings = config.Config(
            **{name: getattr(config.Config() if name in names else settings, name) for name in ALL}
        )  # fmt: skip
        panel = Panel(settings, _home())
        seen: set[int] = set()
        fresh = []
        for batch in batches:
            fresh.append([int(flow.id not in seen) for flow in batch.flows])
            seen.update(flow.id for flow in batch.flows)
        started = time.process_time()
        for batch, new in zip(batches, fresh, strict=True):
            panel.flows(batch, new)
        best = min(best, (time.process_time() - started) / len(seen) * 1e6)
    return best


def _home() -> Home:
    """A home of some devices, each with its address."""

    class Nowhere:
        """Keeps nothing."""

        def __getattr__(self, _: str) -> object:
            return lambda *_, **__: None

    store: Storage = Nowhere()  # type: ignore[assignment]
    devices = Devices(lambda events: None, store, Counters(), 900.0)
    seen = [
        Sighting(_NOON, "bench", f"dc:a6:32:00:00:{number:02x}", (parse_address(f"192.168.70.{number + 2}"),))
        for number in range(DEVICES)
    ]
    devices.see(seen, clock.Now(_NOON, 0.0))
    return Home(Networks(PRIVATE.split()), devices)


def _batches(flows: Iterable[Flow]) -> list[FlowBatch]:
    flows = list(flows)
    owners: list[str | None] = [f"dc:a6:32:00:00:{flow.id % DEVICES:02x}" for flow in flows]
    return [FlowBatch(flows[at : at + BATCH], owners[at : at + BATCH]) for at in range(0, len(flows), BATCH)]


# Port and protocol, and how much of the traffic they are.
_SERVICES = ((443, 6), (443, 17), (53, 17), (80, 6), (993, 6), (5228, 6))
_SHARES = (60, 15, 15, 5, 3, 2)


def _usual() -> list[FlowBatch]:
    """What exporters tell: most of it web, some DNS, each answered, to 5,000 peers."""
    rng = random.Random(1)  # noqa: S311  # the same traffic each time
    peers = [0x97000000 + rng.randrange(1 << 24) for _ in range(5000)]
    first = parse_address("192.168.70.2")
    assert isinstance(first, int)
    flows = []
    for number in range(FLOWS):
        start = _NOON + number * 10
        port, protocol = rng.choices(_SERVICES, _SHARES)[0]
        packets, back = rng.randrange(5, 60), rng.randrange(5, 90)
        peer = peers[min(int(rng.expovariate(0.002)), 4999)]
        ends = first + number % DEVICES, 32768 + rng.randrange(28000), peer, port, protocol
        sizes = packets, packets * rng.randrange(80, 400), back, back * rng.randrange(80, 1200)
        flows.append(Flow(number, start, start + 3000, *ends, *sizes, "closed", "netflow"))
    return _batches(flows)


def _live() -> list[FlowBatch]:
    """The same as connection tracking tells them: first as new, without an answer, and a while later as they end."""
    told: list[FlowBatch] = []
    ended = _usual()
    for number, batch in enumerate(ended):
        begun = [
            flow._replace(state="new", packets_out=0, bytes_out=0, packets_in=0, bytes_in=0) for flow in batch.flows
        ]
        told.append(FlowBatch(begun, batch.devices))
        if number:
            told.append(ended[number - 1])
    return [*told, ended[-1]]


def _scan() -> list[FlowBatch]:
    """Every port of many hosts, from one device: nobody answers."""
    source = parse_address("192.168.70.2")
    return _batches(
        Flow(
            number, _NOON + number, _NOON + number, source, 40000, parse_address(f"198.51.100.{number % 250 + 1}"),
            number // 250 + 1, 6, 1, 60, 0, 0, "attempt", "capture",
        )
        for number in range(FLOWS)
    )  # fmt: skip
