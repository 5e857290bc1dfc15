"""Whoever asks much, or much at once, is told to wait; those who store and those who tell are not held up."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import MAC, Daemon, flow_line
from store_kit import NOON, device, flow, storing
from waiting import PATIENCE, eventually
from websocket_kit import get

from netwatchd.answers import asked, questions
from netwatchd.answers.asked import QUESTIONS, Question
from netwatchd.answers.questions import Questions
from netwatchd.broadcast import json_text
from netwatchd.broadcast.http import Refusal
from netwatchd.broadcast.offers import Answer
from netwatchd.counters import Counters
from netwatchd.storage import queries, search


class Slow:
    """A question that is being answered until it may be; beside the others."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.started = 0
        self.answer: Any = ["done"]

    def __call__(self, _directory: Path, **_asked: str) -> Any:
        self.started += 1
        assert self.may.wait(PATIENCE)
        return self.answer


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    question = Slow()
    monkeypatch.setitem(QUESTIONS, "slow", Question(question, {"which": str}))
    yield question
    question.may.set()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with storing(tmp_path) as kept:
        kept.upsert_device(device())
        kept.add_flows([flow(n) for n in range(50)])
    return tmp_path


def found(answer: Answer) -> Any:
    text = b"".join(json_text.unzipped(answer.zipped))
    assert len(text) == answer.size
    return json.loads(text)


class Asking(threading.Thread):
    """Somebody who asks."""

    def __init__(self, of: Questions, name: str, **query: str) -> None:
        super().__init__()
        self._ask = lambda: of.answer(name, query)
        self.answer: Answer | None = None
        self.refusal: Refusal | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._ask()
        except Refusal as refusal:
            self.refusal = refusal


def test_a_few_are_answered_at_a_time_and_who_waits_too_long_is_told_when_to_come_again(
    home: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "LONGEST_WAIT", 0.2)
    of = Questions(home, Counters(), most_at_once=2)
    two = [Asking(of, "slow", which=which) for which in "ab"]
    eventually(lambda: slow.started == 2)
    with pytest.raises(Refusal, match="too many questions are asked at once") as refused:
        of.answer("devices", {})
    assert (refused.value.status, refused.value.word, refused.value.headers) == (503, "busy", {"Retry-After": "2"})
    slow.may.set()
    for each in two:
        each.join()
        assert each.answer
    assert len(found(of.answer("devices", {}))) == 1


def test_who_waits_is_answered_when_there_is_a_place(home: Path, slow: Slow) -> None:
    of = Questions(home, Counters(), most_at_once=1)
    first = Asking(of, "slow")
    eventually(lambda: slow.started == 1)
    second = Asking(of, "devices")
    slow.may.set()
    for each in (first, second):
        each.join()
        assert each.answer


def test_those_who_ask_the_same_at_once_are_answered_by_one_look(home: Path, slow: Slow) -> None:
    counters = Counters()
    of = Questions(home, counters, most_at_once=1)
    all_of_them = [Asking(of, "slow", which="a", token=str(n)) for n in range(8)]
    eventually(lambda: counters["asked.slow"] == 8)
    slow.may.set()
    for each in all_of_them:
        each.join()
        assert each.answer
        assert found(each.answer) == ["done"]
    assert slow.started == 1


def test_an_answer_is_told_again_for_a_moment_and_not_for_longer(
    home: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.may.set()
    of = Questions(home, Counters())
    first, again, other = (of.answer("slow", {"which": which}) for which in "aab")
    assert first is again
    assert first is not other
    assert slow.started == 2
    monkeypatch.setattr(questions, "FRESH", 0.0)
    for _ in range(3):
        of.answer("slow", {"which": "c"})
    assert slow.started == 5


def test_what_is_kept_is_bounded(home: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.may.set()
    monkeypatch.setattr(questions, "MOST_KEPT", 3)
    monkeypatch.setattr(questions, "FRESH", 3600.0)
    of = Questions(home, Counters())
    for number in range(10):
        of.answer("slow", {"which": str(number)})
    assert len(of._kept) == 3
    slow.answer = [str(number) * 20 for number in range(20_000)]
    of = Questions(home, Counters())
    of.answer("slow", {})
    of.answer("slow", {})
    assert slow.started == 12
    assert not of._kept


def test_what_takes_too_long_is_ended_wherever_it_is(home: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    of = Questions(home, Counters(), most_at_once=1)
    monkeypatch.setattr(questions, "LONGEST", 0.0)
    slow.may.set()
    for name in ("devices", "flows", "top", "slow"):  # while its rows are written down
        with pytest.raises(Refusal, match="that takes more than 0 s; ask for less") as refused:
            of.answer(name, {})
        assert (refused.value.status, refused.value.word) == (503, "too_slow")
    monkeypatch.setattr(queries, "_STEPS", 1)
    for name in ("devices", "flows", "top"):  # within SQLite
        with pytest.raises(Refusal, match="that takes more than"):
            of.answer(name, {})
    monkeypatch.setattr(questions, "LONGEST", 10.0)
    assert len(found(of.answer("flows", {}))) == 50


def test_at_the_end_of_the_daemon_nothing_is_looked_for_any_longer(
    home: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_STEPS", 1)
    of = Questions(home, Counters())
    one = Asking(of, "slow")
    eventually(lambda: slow.started == 1)
    of.end()
    slow.may.set()
    one.join()
    assert one.refusal
    assert one.refusal.word == "closing"
    with pytest.raises(Refusal, match="the server is going away"):
        of.answer("flows", {})


def test_the_bounds_of_one_question_concern_no_other_reader(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_STEPS", 1)
    monkeypatch.setattr(questions, "LONGEST", 0.0)
    with pytest.raises(Refusal):
        Questions(home, Counters()).answer("flows", {})
    assert len(list(search.Search(home))) == 50


def test_a_search_that_has_looked_at_enough_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MOST_LOOKED_AT", 10)
    monkeypatch.setattr(search, "PIECE", 10)
    answer = Questions(home, Counters()).answer("flows", {"port": "9"})
    assert found(answer) == []
    assert answer.headers["Netwatchd-Stopped"] == "yes"
    assert int(answer.headers["Netwatchd-Before"]) == (NOON << 12) + 40


def test_without_a_database_it_is_said_and_a_failure_is_not_kept(tmp_path: Path) -> None:
    of = Questions(tmp_path, Counters())
    with pytest.raises(Refusal, match="there is no database") as refused:
        of.answer("flows", {})
    assert (refused.value.status, refused.value.word) == (503, "no_answer")
    with storing(tmp_path) as kept:
        kept.add_flows([flow(1)])
    assert len(found(of.answer("flows", {}))) == 1


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([], "[]\n"),
        ([{"a": math.nan, "b": [math.inf, 1.5]}], '[{"a":null,"b":[null,1.5]}]\n'),
        ({"a": {"b": -math.inf}}, '{"a":{"b":null}}\n'),
        (["\ud800", "\N{EURO SIGN}"], '["\\ud800","\\u20ac"]\n'),
        ([Path("/x")], '["/x"]\n'),
        ((n for n in range(3)), "[0,1,2]\n"),
    ],
    ids=map(str, range(6)),
)
def test_whatever_is_said_is_json(home: Path, slow: Slow, said: Any, text: str) -> None:
    slow.may.set()
    slow.answer = said
    answer = Questions(home, Counters()).answer("slow", {})
    assert b"".join(json_text.unzipped(answer.zipped)) == text.encode()


def test_flows_come_in_are_stored_and_told_while_eight_ask_for_the_most_there_is(
    daemon: Callable[..., Daemon], short: Path
) -> None:
    now = time.time_ns() // 1_000_000
    (short / "lib").mkdir()
    with storing(short / "lib") as kept:
        kept.upsert_device(device(first_seen=now, last_seen=now))
        for second in range(60):
            kept.add_flows([flow(0, now - 1000 * second - n) for n in range(1000)])
    with daemon("[storage]\ncommit_interval = 100 ms\n") as running, running.client() as client:
        paths = ("flows?port=9", "flows?port=443", "top?by=destination&since=30+d", f"device?device={MAC}&since=30+d")
        ended, replies = threading.Event(), []

        def ask(number: int) -> None:
            while not ended.is_set():
                number += 1
                replies.append(get(running.port, f"/api/{paths[number % 4]}&limit={9000 + number}")[0])

        askers = [threading.Thread(target=ask, args=(100 * n,)) for n in range(8)]
        for each in askers:
            each.start()
        try:
            for number in range(20):
                assert running.emit(*(flow_line(100 * number + n) for n in range(100))) == []
            told = 0
            while told < 2000:
                told += json.loads(client.recv(PATIENCE))["type"] == "flow_update"
            eventually(lambda: running.status()["counters"].get("stored", {}).get("flows", 0) >= 2000)
        finally:
            ended.set()
            for each in askers:
                each.join()
        assert set(replies) <= {200, 503}
        assert 200 in replies
        assert "dropped" not in running.status()["counters"]
