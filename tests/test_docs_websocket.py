"""The programs of docs/WEBSOCKET.md do what the page says: they miss nothing, and know what is kept."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from conftest import needs
from faults_kit import storage
from looking import browsing, expect
from proxy_kit import proxied
from running import MAC, Daemon
from waiting import PATIENCE, eventually
from websocket_kit import serving, threat

PAGE = (Path(__file__).parent.parent / "docs/WEBSOCKET.md").read_text()
TOKEN = "something-long-and-random"
HERE = "127.0.0.1:8765"
Make = Callable[..., Daemon]


def programs() -> dict[str, str]:
    """Name of the file -> text: each begins with that name, as a comment of its language."""
    blocks = re.findall(r"```(?:python|javascript|html)\n(?:#|//|<!--) (\S+)[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == len(re.findall(r"```(?:python|javascript|html)\n", PAGE)), "each says the name of its file"
    return dict(blocks)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with all programs."""
    for name, text in programs().items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def guarded(daemon: Make) -> Daemon:
    """A daemon that wants the token."""
    made = daemon(storage())
    made.config.write_text(made.config.read_text().replace("[websocket]\n", f"[websocket]\ntoken = {TOKEN}\n"))
    return made


def told(number: int) -> dict[str, Any]:
    """A threat as another program tells it."""
    return {"type": "threat", "kind": f"odd_{number}", "severity": "high", "description": f"thing {number}"}


@contextmanager
def running(place: Path, *arguments: str) -> Iterator[Callable[[], list[str]]]:
    """A program that runs; yields what tells the lines that it has said."""
    environment = {"NETWATCHD_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"}
    out = place / "out"
    with out.open("w") as file:
        process = subprocess.Popen([sys.executable, *arguments], cwd=place, env=environment, stdout=file, stderr=file)
    try:
        yield lambda: out.read_text().splitlines()
        assert process.poll() is None, out.read_text()
    finally:
        process.kill()
        process.wait()


def test_each_new_threat_is_told_once_whatever_happens_to_the_connection(place: Path, guarded: Daemon) -> None:
    with guarded, proxied(guarded.port) as proxy:
        guarded.emit(told(0))
        eventually(lambda: guarded.core("SELECT * FROM threats"))
        with running(place, "threats.py", f"ws://127.0.0.1:{proxy.port}/ws") as lines:
            eventually(lambda: lines() == ["high: thing 0"])
            guarded.emit(told(1), told(0))
            eventually(lambda: lines()[1:] == ["high: thing 1"])
            proxy.cut()
            guarded.emit(told(2))
            proxy.is_open = True
            eventually(lambda: lines()[2:] == ["high: thing 2"])
            guarded.stop()
            guarded.start()
            guarded.emit(told(3))
            eventually(lambda: lines()[3:] == ["high: thing 3"])
            assert guarded.cli("dismiss", "1").returncode == 0
            assert guarded.cli("reopen", "1").returncode == 0
            eventually(lambda: len(lines()) == 5)


def test_a_follower_that_was_too_slow_ends_at_the_latest_state(place: Path) -> None:
    spec = importlib.util.spec_from_file_location("follow", place / "follow.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seen: dict[int, int] = {}
    with serving(queue_size=16, send_timeout=PATIENCE) as service:
        messages = module.follow(f"ws://127.0.0.1:{service.port}/ws")
        assert next(messages)["type"] == "snapshot"
        service.listening(1)
        lost = "dropped.messages.slow_client"
        for number in range(1, 3000):
            service.publish(threat(number % 40, moment=number, text="x" * 20_000))
            eventually(lambda told=number: service.counters["sent.messages"] + service.counters[lost] >= told)
            if service.counters[lost] > 50:
                break
        assert service.counters[lost] > 50, "it reads no further, so that it is told of a gap"
        latest = {number: each.evidence["moment"] for number, each in service.threats.items()}
        kinds = set()
        for message in messages:
            kinds.add(message["type"])
            for each in message.get("threats", [message["threat"]] if "threat" in message else []):
                seen[each["id"]] = each["evidence"]["moment"]
            if seen == latest:
                break
        messages.close()
    assert "snapshot" in kinds, "which it has asked for"


def test_a_follower_that_is_not_wanted_says_so(place: Path, guarded: Daemon) -> None:
    with guarded:
        command = [sys.executable, "threats.py", f"ws://127.0.0.1:{guarded.port}/ws"]
        answer = subprocess.run(command, cwd=place, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1 and "401" in answer.stderr.splitlines()[-1]


def test_a_name_is_kept_when_the_program_ends_and_what_is_wrong_is_said(place: Path, guarded: Daemon) -> None:
    with guarded:
        guarded.emit({"type": "device", "mac": MAC})
        eventually(lambda: guarded.core("SELECT * FROM devices"))
        ended = [
            subprocess.run(
                [sys.executable, "name.py", f"ws://127.0.0.1:{guarded.port}/ws", device, "kitchen radio"], cwd=place,
                env={"NETWATCHD_TOKEN": TOKEN}, capture_output=True, text=True, timeout=60, check=False,
            )
            for device in (MAC, "a4:83:e7:00:00:99")
        ]  # fmt: skip
        guarded.kill()
        assert guarded.core("SELECT name FROM devices") == [("kitchen radio",)]
    assert [each.returncode for each in ended] == [0, 1]
    assert "a4:83:e7:00:00:99" in ended[1].stderr


def test_a_page_of_ones_own_shows_who_is_here_and_names_it(place: Path, guarded: Daemon) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place)))
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    text = guarded.config.read_text().replace("[websocket]\n", f"[websocket]\nallowed_origins = {origin}\n")
    guarded.config.write_text(text)
    home = place / "home.js"
    assert TOKEN in home.read_text()
    with guarded, browsing() as browser, proxied(guarded.port) as proxy:
        home.write_text(home.read_text().replace(HERE, f"127.0.0.1:{proxy.port}"))
        guarded.emit({"type": "device", "mac": MAC, "hostname": "<b>radio</b>"})
        context = browser.new_context()
        page = context.new_page()
        page.goto(origin)
        expect(page.get_by_role("button")).to_have_text("<b>radio</b>")
        proxy.cut()
        guarded.emit({"type": "device", "mac": "a4:83:e7:00:00:02", "hostname": "tv"})
        proxy.is_open = True
        expect(page.get_by_role("button")).to_have_text(["<b>radio</b>", "tv"])
        page.once("dialog", lambda dialog: dialog.accept("kitchen"))
        page.get_by_role("button", name="radio").click()
        expect(page.locator("output")).to_have_text("It is kept.")
        expect(page.get_by_role("button")).to_have_text(["kitchen", "tv"])
        page.once("dialog", lambda dialog: dialog.accept("x" * 101))
        page.get_by_role("button", name="kitchen").click()
        expect(page.locator("output")).to_contain_text("up to 100 characters")
        guarded.stop()
        guarded.start()
        guarded.emit({"type": "device", "mac": "a4:83:e7:00:00:03", "hostname": "lamp"})
        expect(page.get_by_role("button", name="lamp")).to_be_visible()
        context.close()
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """A web server that says nothing of what it serves."""

    def log_message(self, *_: Any) -> None:
        pass


@needs("curl")
def test_what_is_asked_by_curl_is_answered(guarded: Daemon) -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    with guarded:
        guarded.emit(told(1), {"type": "device", "mac": MAC})
        eventually(lambda: guarded.core("SELECT * FROM threats"))
        script = script.replace(HERE, f"127.0.0.1:{guarded.port}").replace("curl ", "curl --fail -w '\\n' ")
        answer = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    health, *answers = [line for line in answer.stdout.splitlines() if line]
    status, devices, flows, threats, top = map(json.loads, answers)
    assert health == "ok" and status["running"]
    assert ([each["mac"] for each in devices], flows, top) == ([MAC], [], [])
    assert [each["kind"] for each in threats] == ["odd_1"]
