"""The whole way of a list: config.ini, a server, the daemon, a flow, a threat, the verbs, a reload, a replay."""

import signal
from collections.abc import Callable
from pathlib import Path

from lists_kit import GOOD, Keeper, section, server
from replay_kit import Run, zeek
from running import Daemon, flow_line
from waiting import eventually


def test_a_list_is_fetched_and_who_talks_with_what_it_has_is_told(daemon: Callable[..., Daemon]) -> None:
    with server(headers={"ETag": '"1"'}) as served, daemon(f"[blocklists]\nlists = bad={served.url}\n") as running:
        eventually(lambda: running.status()["blocklists"][0]["state"] == "fresh")
        running.emit(flow_line(1, dst_ip="203.0.113.9"), flow_line(2, dst_ip="198.51.100.8"))
        eventually(lambda: running.status()["open_threats"])
        (threat,) = eventually(lambda: [each for each in running.json("threats") if each["kind"] == "blocklist"])
        assert (threat["target"], threat["evidence"]["lists"][0]["note"]) == ("203.0.113.9", "SBL123")
        (shown,) = running.status()["blocklists"]
        assert shown == running.json("lists")[0]
        assert (shown["name"], shown["entries"], shown["error"]) == ("bad", 3, None)
        assert "list bad" in running.cli("status").stdout
        assert running.status()["counters"]["listed"] == {"bad": 1}


def test_the_verbs_tell_what_lists_have_and_how_they_are(daemon: Callable[..., Daemon], short: Path) -> None:
    with server() as served:
        running = daemon()
        running.start()
        # Without lists nothing is fetched, and nothing is made.
        assert running.cli("lists").stdout == "no lists: [blocklists] lists in config.ini names none\n"
        assert not (running.state / "lists").exists()
        running.configure(f"[blocklists]\nlists = bad={served.url}\nallow = 203.0.113.0/24\n")
        running.signal(signal.SIGHUP)
        eventually(lambda: served.asked)
        served.body = GOOD + b"198.51.100.9 # new\n"
        assert running.json("lists", "--update")[0]["entries"] == 4
        answer = running.json("lookup", "203.0.113.9")
        assert (answer["listings"][0]["entry"], answer["allowed"]) == ("203.0.113.0/24", "allow of [blocklists]")
        assert (
            "198.51.100.9 is in bad: 198.51.100.9 (new), threat, high" in running.cli("lookup", "198.51.100.9").stdout
        )
        assert running.json("lookup", "WWW.Evil.Example.")["listings"][0]["note"] == "Dridex"
        assert served.url in running.cli("lists").stdout
        # Another list is taken in without a restart.
        mine = short / "mine.txt"
        mine.write_text("good.example\n")
        running.configure(f"[blocklists]\nlists = mine={mine}\n")
        running.signal(signal.SIGHUP)
        eventually(
            lambda: [(each["name"], each["entries"]) for each in running.status()["blocklists"]] == [("mine", 1)]
        )
        assert running.json("lookup", "a.good.example")["listings"]
        assert "is in no list; 1 were asked" in running.cli("lookup", "203.0.113.9").stdout
        assert running.stop() == 0
        assert running.cli("lists", "--update").returncode == 69  # nobody is there to do it


def test_a_replay_has_the_lists_that_the_daemon_keeps(tmp_path: Path) -> None:
    run = Run(tmp_path)
    log = run.file("conn.log", zeek(0))
    (report,) = run.replay(log)
    assert not [each for each in report["threats"] if each["kind"] == "blocklist"]
    peer = run.flows()[0]["dst_ip"]
    (tmp_path / "list.txt").write_text(f"{peer} # of the past\n")
    state = tmp_path / "lib"
    run.file("config.ini", f"[storage]\ndirectory = {state}\n[blocklists]\nlists = l={tmp_path}/list.txt\n".encode())
    Keeper(state, section(f"l={tmp_path}/list.txt"))
    run.into = tmp_path / "again"
    (report,) = run.replay(log)
    found = [each for each in report["threats"] if each["kind"] == "blocklist"]
    assert [each["target"] for each in found] == [peer]
