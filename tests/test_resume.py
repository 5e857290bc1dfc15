"""A client that is cut off at any byte, however often, ends with the state of one that never was."""

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from follower import Follower
from running import Daemon, flow_line, join, until
from waiting import eventually
from websocket_kit import TEXT, RawClient, Service, device, flow, frame, numbers, serving, threat

from netwatchd.addresses import address_text
from netwatchd.broadcast.messages import device_json, flow_json, threat_json
from netwatchd.events import Device, Event, Flow, Gone, Threat, ThreatStatus

TOPICS = ["", "", "devices", "threats,devices", "flows", "flows,threats,stats"]
STATUSES = [ThreatStatus.OPEN, ThreatStatus.OPEN, ThreatStatus.ACKNOWLEDGED, ThreatStatus.DISMISSED]


class Life:
    """What goes on in a network, one thing after another, and how it stands."""

    def __init__(self, service: Service, rng: Random, before: "Life | None" = None) -> None:
        self._service = service
        self.rng = rng
        self.moment = before.moment if before else 0
        self.strangers = before.strangers + 20 if before else 0  # where the devices of this run begin
        self.ended = False
        self.last = {"devices": 0, "threats": 0, "flows": 0}  # the number of the last message of each topic
        self.flows: dict[int, tuple[int, dict[str, Any]]] = {}  # with the number of the message that told it
        if before:
            service.devices, service.threats = before._service.devices, before._service.threats

    def go_on(self, events: int) -> None:
        """Lets so much happen."""
        batch = [event for _ in range(events) for event in self._events()]
        seq = self._service.last
        for event in batch:
            seq += 1
            kind = {Device: "devices", Gone: "devices", Threat: "threats", Flow: "flows"}[type(event)]
            self.last[kind] = seq
            if isinstance(event, Flow):
                self.flows[event.id] = seq, as_json(flow_json(event))
        self._service.publish(*batch)
        if self.rng.random() < 0.05:
            self._service.broadcaster.publish_stats({"moment": self.moment})

    def _events(self) -> list[Event]:
        self.moment += 1
        chance = self.rng.random()
        if chance < 0.3:
            return self._device()
        if chance < 0.6:
            text = "x" * self.rng.choice([10, 100, 8000])
            known = threat(self.rng.randrange(30), moment=self.moment, text=text)
            return [dataclasses.replace(known, status=self.rng.choice(STATUSES))]
        # So many that each is told of but a few times: what is lost of one is not made good by the next.
        return [flow(self.rng.randrange(10_000))._replace(bytes_in=self.moment)]

    def _device(self) -> list[Event]:
        """One of twenty; five are known by their address alone at first, until their MAC is seen."""
        number = self.rng.randrange(20)
        seen = device(self.strangers + number, self.moment)
        address = address_text(seen.ips[0])
        if number >= 15 and seen.mac not in self._service.devices and self.rng.random() < 0.8:
            return [dataclasses.replace(seen, mac=None)]
        return [Gone(address), seen]

    def end(self) -> None:
        """One last thing of each kind."""
        events: dict[str, Event] = {
            "devices": device(1, self.moment), "threats": threat(1), "flows": flow(1)._replace(bytes_in=self.moment),
        }  # fmt: skip
        for kind, event in events.items():
            self._service.publish(event)
            self.last[kind] = self._service.last
            if isinstance(event, Flow):
                self.flows[event.id] = self._service.last, as_json(flow_json(event))
        self.ended = True

    def is_known_to(self, follower: Follower) -> bool:
        """Whether a follower has come to the end."""
        last = max(seq for kind, seq in self.last.items() if follower.hears(kind))
        here = follower.epoch == self._service.broadcaster.epoch
        return self.ended and here and follower.seq is not None and follower.seq >= last

    def check(self, follower: Follower) -> None:
        """Fails where a follower's state is another one."""
        if follower.hears("devices"):
            known = self._service.devices
            assert follower.devices == {key: as_json(device_json(one)) for key, one in known.items()}
        if follower.hears("threats"):
            is_open = [one for one in self._service.threats.values() if one.status is ThreatStatus.OPEN]
            assert follower.threats == {one.id: as_json(threat_json(one)) for one in is_open}
        if follower.hears("flows"):
            told = {key: flow for key, (seq, flow) in self.flows.items() if seq not in follower.missed}
            assert {key: flow for key, flow in follower.flows.items() if key in told} == told


def as_json(event: dict[str, Any]) -> Any:
    return json.loads(json.dumps(event))


@contextmanager
def going_on(life: Life) -> Iterator[None]:
    """Meanwhile things happen, a few a millisecond."""
    enough = threading.Event()

    def live() -> None:
        while not enough.wait(0.002):
            life.go_on(life.rng.choice([1, 1, 2, 5, 20]))

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def cut_off(service: Service, follower: Follower, rng: Random) -> None:
    """One connection, which ends at any byte."""
    chance = rng.random()
    if chance < 0.1:
        follower.follow(service.port, -rng.randrange(1, 250))
    elif chance < 0.2:
        seq = service.last + rng.choice([100, 200, 300])  # more than its queue holds, and a short ring
        follower.follow(service.port, rng.randrange(1_000_000), lambda: eventually(lambda: service.last >= seq))
    else:
        follower.follow(service.port, rng.randrange(rng.choice([300, 3000, 30_000])))


def suffer(seed: int, runs: int, cuts: int) -> int:
    """Followers of every kind are cut off so often in each of so many runs; returns how many gaps they were told."""
    rng = Random(seed)
    followers = [Follower(Random(rng.random()), topics) for topics in TOPICS]
    life = None
    for _ in range(runs):
        with serving(queue_size=16, resume_size=rng.choice([64, 2048])) as service:
            life = Life(service, Random(rng.random()), life)
            follow_all(service, life, followers, [Random(rng.random()) for _ in followers], cuts)
    return sum(one.gaps for one in followers)


def follow_all(service: Service, life: Life, followers: list[Follower], chances: list[Random], cuts: int) -> None:
    """One run: all followers are cut off again and again while things happen, and then must know how they stand."""
    uncut = Follower(Random(0))

    def endure(follower: Follower, rng: Random) -> None:
        for _ in range(cuts):
            cut_off(service, follower, rng)

    with ThreadPoolExecutor(len(followers) + 1) as pool:
        steady = pool.submit(uncut.catch_up, service.port, lambda: life.is_known_to(uncut))
        service.listening(1)
        with going_on(life):
            for done in [pool.submit(endure, *pair) for pair in zip(followers, chances, strict=True)]:
                done.result()
        life.end()
        steady.result()
    life.check(uncut)
    assert not uncut.missed
    for one in followers:
        one.catch_up(service.port, lambda one=one: life.is_known_to(one))
        life.check(one)


def test_a_client_cut_off_at_any_byte_ends_with_the_state_of_one_that_never_was() -> None:
    assert suffer(seed=1, runs=2, cuts=15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 16))
def test_a_client_cut_off_thousands_of_times_ends_with_the_state_of_one_that_never_was(seed: int) -> None:
    assert suffer(seed, runs=3, cuts=100)


def test_from_every_position_all_that_follows_is_told_or_said_to_be_missing() -> None:
    with serving(resume_size=32) as service:
        life = Life(service, Random(0))
        while service.last < 100:
            life.go_on(life.rng.randrange(1, 6))
        last = service.last
        for since in range(last + 1):
            with RawClient(service.port, f"/ws?epoch={service.broadcaster.epoch}&since={since}") as client:
                client.open(more=frame(TEXT, b'{"op": "ping"}'))
                assert client.message()["type"] == "hello"
                told = [client.message()]
                while told[-1]["type"] != "pong":
                    told.append(client.message())
            if told[0]["type"] == "gap":
                assert since < last - 32
                assert told[0]["missed"] == [since + 1, last]
                assert [(one["type"], one.get("seq")) for one in told[1:]] == [("snapshot", last), ("pong", None)]
            else:
                assert numbers(told[:-1]) == list(range(since + 1, last + 1))


# The whole daemon.


def happenings(rng: Random, number: int) -> list[dict[str, Any]]:
    """A device, which may be known by its address alone at first, a threat and a flow."""
    which, run = rng.randrange(12), number // 100  # new ones in each run
    seen = {"type": "device", "ip": f"192.168.{run}.{10 + which}", "hostname": f"name-{number}"}
    if which < 6 or rng.random() < 0.4:
        seen["mac"] = f"a4:83:e7:00:0{run}:{which:02x}"
    # Each four times at most: of what is seen more often, clients are told later, and who joins has heard more.
    danger = {"type": "threat", "kind": f"kind_{number % 40}", "description": f"{number}" * rng.choice([1, 100])}
    return [seen, danger, flow_line(number)]


def judge(running: Daemon, rng: Random) -> None:
    """Somebody looks at an open threat."""
    with running.client() as client:
        threats = until(client, lambda message: message["type"] == "snapshot")["threats"]
        if threats:
            number = rng.choice(threats)["id"]
            client.send(json.dumps({"op": rng.choice(["dismiss", "acknowledge"]), "threat": number}))
            until(client, lambda message: message.get("threat", {}).get("id") == number)


def state(follower: Follower) -> tuple[Any, ...]:
    """What it keeps; when a device was seen last is told only now and then."""
    devices = {key: {**one, "last_seen": 0} for key, one in follower.devices.items()}
    return devices if follower.hears("devices") else None, follower.threats if follower.hears("threats") else None


def test_who_follows_the_daemon_through_cuts_and_kill_9_knows_what_a_newcomer_is_told(
    daemon: Callable[..., Daemon],
) -> None:
    rng = Random(7)
    followers = [Follower(Random(n), topics) for n, topics in enumerate(["", "", "devices,threats", "threats"])]
    with daemon("[storage]\ncommit_interval = 50 ms\n[websocket]\nresume_size = 64\n") as running:
        for run in range(3):
            for number in range(10):
                running.emit(*happenings(rng, run * 100 + number), *happenings(rng, run * 100 + number))
                for one in followers:
                    one.follow(running.port, rng.randrange(-50, rng.choice([500, 5000, 100_000])))
                if number % 4 == 3:
                    judge(running, rng)
            if run < 2:
                running.kill()
                running.start()
        running.emit({"type": "device", "ip": "192.168.9.9"})
        running.emit({"type": "device", "ip": "192.168.9.9", "mac": "a4:83:e7:00:09:00", "hostname": "the end"})
        running.emit({"type": "threat", "kind": "the end", "description": "is near"})

        def at_the_end(one: Follower) -> bool:
            devices = any(device["hostname"] == "the end" for device in one.devices.values())
            return (devices or not one.hears("devices")) and any(t["kind"] == "the end" for t in one.threats.values())

        newcomer = Follower(rng)
        newcomer.catch_up(running.port, lambda: at_the_end(newcomer))
        with running.client() as client:  # who joins may share an older snapshot; who asks gets a new one
            hello = join(client)
            client.send('{"op": "snapshot"}')
            newcomer.take(hello)
            newcomer.take(until(client, lambda message: message["type"] == "snapshot"))
        assert len(newcomer.devices) > 10
        for one in followers:
            one.catch_up(running.port, lambda one=one: at_the_end(one))
            assert [mine for mine in state(one) if mine] == [
                theirs for mine, theirs in zip(state(one), state(newcomer), strict=True) if mine
            ]
