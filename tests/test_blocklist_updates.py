"""Lists are fetched politely, looked at, kept, and in force; what is broken is refused, and the old one stays."""

import json
import logging
import os
import threading
from pathlib import Path

import pytest
from lists_kit import GOOD, OWN, Keeper, packed, section, server
from waiting import eventually

from netwatchd import __version__
from netwatchd.addresses import parse_address
from netwatchd.blocklists.updates import Updates, kept_lists, kept_states, shown
from netwatchd.worker import Worker

BAD = parse_address("198.51.100.7")


def names(found: object) -> list[str]:
    return [each.list for each in found]  # type: ignore[attr-defined]


def many(count: int, first: int = 0) -> bytes:
    return b"".join(b"11.%d.%d.%d\n" % (n >> 16 & 255, n >> 8 & 255, n & 255) for n in range(first, first + count))


def test_a_list_is_fetched_and_in_force(tmp_path: Path) -> None:
    with server(headers={"ETag": '"1"'}) as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        (listing,) = keeper.lists.listed(BAD)
        assert (listing.list, listing.entry, listing.note) == ("bad", "198.51.100.7", "")
        assert keeper.lists.listed(parse_address("203.0.113.9"))[0][4:] == ("203.0.113.0/24", "SBL123")
        assert keeper.lists.listed_name("www.evil.example")[0][4:] == ("evil.example", "Dridex")
        assert keeper.lists.listed(parse_address("198.51.100.8")) == ()
        assert served.asked[0]["user-agent"] == f"netwatchd/{__version__}"
        assert keeper["bad"]["state"] == "fresh"
        assert keeper["bad"]["counts"] == {"ipv4": 2, "ipv6": 0, "names": 1}


def test_a_list_that_has_not_changed_is_neither_sent_nor_written_again(tmp_path: Path) -> None:
    with server(headers={"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"}) as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        before = {path: path.stat().st_ino for path in (tmp_path / "lists").glob("bad.*.*")}
        keeper.again()
        assert served.asked[1]["if-none-match"] == '"1"'
        assert served.asked[1]["if-modified-since"] == "Mon, 23 Nov 2026 10:00:00 GMT"
        served.headers.clear()  # now it sends the same again
        keeper.again()
        assert {path: path.stat().st_ino for path in (tmp_path / "lists").glob("bad.*.*")} == before
        assert keeper.counters["blocklists.unchanged"] == 2
        assert keeper.lists.listed(BAD)


def test_after_a_restart_what_is_kept_is_in_force_without_a_request(tmp_path: Path) -> None:
    with server() as served:
        settings = section(f"bad={served.url}")
        Keeper(tmp_path, settings)
        assert len(served.asked) == 1
        again = Keeper(tmp_path, settings)
        assert names(again.lists.listed(BAD)) == ["bad"]
        assert names(kept_lists(settings, OWN, tmp_path).listed(BAD)) == ["bad"]
        assert kept_states(settings, tmp_path)[0]["entries"] == 3
        assert len(served.asked) == 1


def test_a_table_that_is_lost_or_of_another_version_is_built_anew_from_the_copy(tmp_path: Path) -> None:
    with server() as served:
        settings = section(f"bad={served.url}")
        Keeper(tmp_path, settings)
        (table,) = (tmp_path / "lists").glob("*.table")
        table.write_bytes(b"netwatchd list 0" + bytes(100))
        assert Keeper(tmp_path, settings).lists.listed(BAD)
        (tmp_path / "lists/key").unlink()
        assert Keeper(tmp_path, settings).lists.listed_name("evil.example")
        assert len(served.asked) == 1


@pytest.mark.parametrize("encoded", [True, False], ids=["encoding", "file"])
def test_a_packed_list_is_unpacked(tmp_path: Path, encoded: bool) -> None:
    headers = {"Content-Encoding": "gzip"} if encoded else {}
    with server(body=packed(GOOD), headers=headers) as served:
        assert Keeper(tmp_path, section(f"bad={served.url}")).lists.listed(BAD)
        assert served.asked[0]["accept-encoding"] == "gzip"


def test_a_redirect_is_followed_but_never_to_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(GOOD)
    with server() as target, server(status=302, headers={"Location": target.url}) as served:
        assert Keeper(tmp_path, section(f"bad={served.url}")).lists.listed(BAD)
        for place in (f"file://{secret}", "ftp://127.0.0.1/list"):
            served.headers["Location"] = place
            keeper = Keeper(tmp_path / "other", section(f"bad={served.url}"))
            keeper.again()
            assert "which is not followed" in str(keeper["bad"]["error"])
            assert not keeper.lists.listed(BAD)


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    with server(status=302) as served:
        served.headers["Location"] = served.url
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        assert keeper["bad"]["error"] == "it is redirected again and again"
        assert len(served.asked) <= 6


BROKEN = {
    "web page": (b"<!DOCTYPE html><html><body>sorry</body></html>", "it is a web page"),
    "empty": (b"", "it is empty"),
    "comments": (b"# nothing\n\n", "it is empty"),
    "prose": (b"the list has moved\nplease look\nat another\nplace\n", "none of its lines"),
    "mostly prose": (b"11.0.0.1\n11.0.0.2\n" + b"?? what is this\n" * 9, "cannot be read"),
    "zip": (b"PK\x03\x04" + bytes(40), "it is a zip archive"),
    "half of a FireHOL list": (b"# Entries : 3753 subnets, 6 unique\n" + many(40), "only 40 came"),
    "half of a Spamhaus list": (
        b'{"cidr":"1.10.16.0/20","sblid":"SBL1"}\n{"type":"metadata","records":1693}\n', "only 1 came",
    ),
    "providers": (b'{"asn":932,"domain":"xn.net"}\n' * 9, "nothing that netwatchd can look for (9 asn)"),
    "broken JSON": (b'{"list": [\n"11.0.0.1",\n', "it is broken JSON"),
    "truncated gzip": (packed(many(3000))[:2000], "the end of what was packed is missing"),
    "damaged gzip": (packed(many(3000))[:-6] + bytes(6), "no proper answer"),
    "ten times larger": (many(101), "more than 10 times as many"),
    "bomb": (packed(bytes(3_000_000)), "larger than max_size"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_said_once_and_the_old_one_stays(
    tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    body, why = BROKEN[case]
    with server() as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}", max_size="2 MB"))
        served.body = body
        keeper.again()
        keeper.again()
        assert why in str(keeper["bad"]["error"])
        assert keeper["bad"]["state"] == "failing"
        assert keeper.lists.listed(BAD)
        assert keeper.counters["blocklists.refused"] + keeper.counters["blocklists.failed"] == 2
        said = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(said) == 1
        assert "that of 3 entries stays" in said[0].getMessage()
        assert not list((tmp_path / "lists").glob("*.new*"))
        assert Keeper(tmp_path, keeper.updates.settings).lists.listed(BAD)
        served.body = GOOD + b"198.51.100.9\n"
        keeper.again()
        assert keeper["bad"]["error"] is None
        assert keeper["bad"]["entries"] == 4


def test_a_list_that_shrinks_to_less_than_a_tenth_is_refused_but_small_ones_may(tmp_path: Path) -> None:
    with server(body=many(300)) as large, server(body=many(30)) as small:
        keeper = Keeper(tmp_path, section(f"large={large.url} small={small.url}"))
        large.body, small.body = many(20), many(1)
        keeper.again()
        assert "less than a tenth" in str(keeper["large"]["error"])
        assert keeper["small"]["entries"] == 1


def test_what_the_user_takes_away_is_fetched_anew_whatever_its_size(tmp_path: Path) -> None:
    with server() as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        served.body = many(1000)
        keeper.again()
        assert keeper["bad"]["entries"] == 3
        for path in (tmp_path / "lists").glob("bad.*"):
            path.unlink()
        keeper.updates.look()
        assert keeper["bad"]["entries"] == 1000


def test_an_empty_list_that_says_that_it_is_empty_is_one(tmp_path: Path) -> None:
    with server(body=b"# Feodo\n# END 0 entries\n") as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        assert (keeper["bad"]["state"], keeper["bad"]["entries"]) == ("fresh", 0)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": 404}, "the server answers 404 Not Found"),
        ({"status": 500}, "the server answers 500 Internal Server Error"),
        ({"status": 206}, "the server answers 206"),
        ({"length": 5000}, "broke off"),
        ({"headers": {"Content-Encoding": "br"}}, "it is packed as br"),
        ({"stall": threading.Event()}, "timed out"),
    ],
)  # fmt: skip
def test_a_server_in_trouble_is_told_and_asked_ever_more_seldom(
    tmp_path: Path, fields: dict[str, object], why: str
) -> None:
    with server(**fields) as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        assert why in str(keeper["bad"]["error"])
        assert keeper["bad"]["state"] == "missing"
        first = keeper.updates.due_in("bad")
        keeper.updates.look()
        assert len(served.asked) == 1  # not before its time
        keeper.again()
        assert 240 < first < 340 < keeper.updates.due_in("bad") < 700


def test_a_server_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    with server(status=429, headers={"Retry-After": "7200"}) as served:
        assert Keeper(tmp_path, section(f"bad={served.url}")).updates.due_in("bad") > 7100


def test_nobody_there_is_told(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, section("bad=http://127.0.0.1:9/list"))
    assert "cannot reach the server: Connection refused" in str(keeper["bad"]["error"])


def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    with server() as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url.replace('http:', 'https:')}"))
        assert keeper["bad"]["error"]
        assert not served.asked


def test_the_times_at_which_lists_are_asked_differ(tmp_path: Path) -> None:
    with server() as served:
        lists = " ".join(f"l{n}={served.url}" for n in range(8))
        keeper = Keeper(tmp_path, section(lists, interval="1 h"))
        due = [keeper.updates.due_in(f"l{n}") for n in range(8)]
        assert all(3200 < each < 4000 for each in due)
        assert max(due) - min(due) > 1


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    keeper = Keeper(tmp_path, section(f"mine={file}"))
    assert keeper["mine"]["error"] == "there is no such file"
    file.write_bytes(GOOD)
    keeper.updates.look()
    assert keeper.lists.listed(BAD)
    file.write_bytes(b"198.51.100.99\n")
    os.utime(file, (1, 1))
    keeper.updates.look()
    assert not keeper.lists.listed(BAD)
    assert keeper.lists.listed(parse_address("198.51.100.99"))
    file.write_bytes(b"<html>")
    keeper.updates.look()
    assert keeper["mine"]["error"] == "it is a web page"
    assert keeper.lists.listed(parse_address("198.51.100.99"))
    file.unlink()
    keeper.updates.look()
    assert keeper.lists.listed(parse_address("198.51.100.99"))


def test_settings_may_change_while_it_runs(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_bytes(b"198.51.100.7\n")
    other.write_bytes(b"198.51.100.8\n")
    keeper = Keeper(tmp_path, section(f"a={one} b={other}"))
    keeper.updates.apply(section(f"a={other}", severities="a=low"))
    keeper.updates.look()
    assert keeper.lists.listed(BAD) == ()
    assert keeper.lists.listed(parse_address("198.51.100.8"))[0].severity == "low"
    assert not list((tmp_path / "lists").glob("b.*"))  # what belongs to no list is swept away
    keeper.updates.apply(section(f"a={one}"))
    keeper.updates.look()
    assert names(keeper.lists.listed(BAD)) == ["a"]
    keeper.updates.apply(section(""))
    keeper.updates.look()
    assert keeper.lists.listed(BAD) == ()


def test_a_thread_fetches_and_stops_in_the_middle_of_a_slow_answer(tmp_path: Path) -> None:
    died: list[Worker] = []
    with server(stall=threading.Event()) as served:
        keeper = Keeper(tmp_path, section(""))
        updates = Updates(section(f"bad={served.url}"), OWN, tmp_path, keeper.lists, keeper.counters)
        worker = Worker("blocklists", updates.run, died.append)
        worker.start()
        eventually(lambda: served.asked)
        assert worker.stop(5)
        assert not died


def test_a_thread_takes_what_is_due_when_it_is_reminded(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    keeper = Keeper(tmp_path, section(""))
    updates = Updates(section(f"mine={file}"), OWN, tmp_path, keeper.lists, keeper.counters)
    worker = Worker("blocklists", updates.run, lambda worker: None)
    worker.start()
    eventually(lambda: updates.state()[0]["error"])
    file.write_bytes(GOOD)
    updates.remind()
    eventually(lambda: keeper.lists.listed(BAD))
    assert worker.stop(5)


def test_a_state_directory_that_cannot_be_written_is_told_and_survived(tmp_path: Path) -> None:
    (tmp_path / "lists").write_text("this is no directory")
    with server() as served:
        keeper = Keeper(tmp_path, section(f"bad={served.url}"))
        assert "it cannot be kept" in str(keeper["bad"]["error"])


def test_a_record_that_is_damaged_is_as_none(tmp_path: Path) -> None:
    with server() as served:
        settings = section(f"bad={served.url}")
        Keeper(tmp_path, settings)
        record = tmp_path / "lists/bad.json"
        for text in ("{", "[]", '{"generation": 5}', '{"generation": "../../x"}', json.dumps({"entries": "x"})):
            record.write_text(text)
            assert Keeper(tmp_path, settings).lists.listed(BAD)


def test_what_is_shown_of_a_url_has_no_secrets() -> None:
    assert shown("https://u:p@x.example:8443/v2/0123456789abcdef0123456789abcdef/recent.csv?key=1") == (
        "https://x.example:8443/v2/…/recent.csv?…"
    )
    assert shown("/etc/list.txt") == "/etc/list.txt"
