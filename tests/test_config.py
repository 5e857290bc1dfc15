"""config.ini: what is read, what is refused and how that is said; the shipped file and the docs tell the truth."""

import re
from pathlib import Path
from socket import gethostname

import pytest
import reference

from netwatchd import config
from netwatchd.config import Config, ConfigError, parse

SHIPPED = reference.SHIPPED


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return [str(mistake) for mistake in caught.value.mistakes]


# Reading.


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("") == Config()


def test_units_lists_switches_and_paths_are_read() -> None:
    read = parse(
        "[storage]\ncommit_interval = 250 ms\nmax_size = 1.5 GB\nretention=2 d\nspool = /var/spool/x\n"
        "[websocket]\nallowed_origins = https://a.example, https://b.example\nmax_message = 1 KiB\n"
        "[source:conntrack]\nset_sysctls = No\nenabled = AUTO\n"
    )
    assert (read.storage.commit_interval, read.storage.max_size) == (0.25, 1_500_000_000)
    assert (read.storage.retention, read.storage.spool) == (172_800.0, Path("/var/spool/x"))
    assert read.websocket.allowed_origins == ("https://a.example", "https://b.example")
    assert read.websocket.max_message == 1024
    assert (read.conntrack.set_sysctls, read.conntrack.enabled) == (False, "auto")


def test_comments_blank_lines_and_spaces_mean_nothing() -> None:
    read = parse("# a\n; b\n\n  [ logging ]  \n   level   =   debug   \n# level = error\n")
    assert read.logging.level == "debug"


def test_a_value_may_hold_an_equals_sign_and_a_percent_sign() -> None:
    assert str(parse("[storage]\ndirectory = /srv/100%=x\n").storage.directory) == "/srv/100%=x"


# Refusing.


def test_every_mistake_is_told_at_once_in_the_order_of_the_lines() -> None:
    said = mistakes("[websocket]\nport = eighty\nhosst = ::1\n[storage]\ncommit_interval = -3 s\n[nonsense]\na = 1\n")
    assert [line.split(": ")[:2] for line in said] == [
        ["line 2", "[websocket] port"],
        ["line 3", "[websocket] hosst"],
        ["line 5", "[storage] commit_interval"],
        ["line 6", "[nonsense]"],
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[websocket]\nport = 0", "line 2: [websocket] port: '0' should be a whole number from 1 to 65535"),
        ("[websocket]\nport = ٣", "line 2: [websocket] port: '٣' should be a whole number from 1 to 65535"),
        ("[storage]\nretention = 30", "line 2: [storage] retention: '30' should be a number with one of the units"),
        ("[storage]\nretention = 0 d", "line 2: [storage] retention: '0 d' should be longer than nothing"),
        ("[storage]\nbusy_timeout = 30 d", "line 2: [storage] busy_timeout: '30 d' should be at most 20 d"),
        ("[storage]\nretention = 36501 d", "line 2: [storage] retention: '36501 d' should be at most 36500 d"),
        (f"[devices]\noffline_after = {'9' * 400} d", "line 2: [devices] offline_after: '9999"),
        (f"[storage]\nmax_size = {'9' * 400} GB", "line 2: [storage] max_size: '9999"),
        ("[source:conntrack]\nreceive_buffer = 2 GB", "line 2: [source:conntrack] receive_buffer: '2 GB' should be at"),
        ("[storage]\nspool = ~nobody-of-this-name/x", "line 2: [storage] spool: '~nobody-of-this-name/x' cannot be"),
        ("[storage]\ndirectory = /srv/\0", "line 2: [storage] directory: '/srv/\\x00' is no path"),
        (f"[websocket]\nhost = {'x' * 64}.example", "line 2: [websocket] host: 'xxxx"),
        ("[websocket]\nhost = 127.0.0.1\0", "line 2: [websocket] host: '127.0.0.1\\x00' is neither an address nor"),
        ("[storage]\nmax_size = 2 gb", "line 2: [storage] max_size: '2 gb' should be a number with one of the units"),
        ("[source:json]\nenabled = maybe", "line 2: [source:json] enabled: 'maybe' should be yes or no or auto"),
        ("[source:conntrack]\ntracking = 2", "line 2: [source:conntrack] tracking: '2' should be yes or no"),
        (
            "[source:capture]\ninterface = eth0 br/0",
            "line 2: [source:capture] interface: 'br/0' is no name of a network",
        ),
        ("[source:capture]\ninterface = eth\0", "line 2: [source:capture] interface: 'eth\\x00' is no name of a"),
        (f"[source:capture]\ninterface = {'e' * 16}", "line 2: [source:capture] interface: 'eeee"),
        ("[source:capture]\nfilter = some", "line 2: [source:capture] filter: 'some' should be control or all"),
        ("[logging]\nlevel", "line 2: [logging]: 'level' should be 'key = value'"),
        ("level = info", "line 1: [] level: it stands before the first [section]"),
        ("[logging]\nlevel = info\nlevel = debug", "line 3: [logging] level: it is set already in line 2"),
        ("[logging]\ncolour = red", "line 2: [logging] colour: there is no such key here; there are level, statistics"),
        ("[log]", "line 1: [log]: there is no such section; there are storage, websocket,"),
    ],
)
def test_a_mistake_is_told_with_line_section_key_and_what_would_be_right(text: str, told: str) -> None:
    (said,) = mistakes(text)
    assert said.startswith(told)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "router.lan", ""])
def test_a_listener_beyond_loopback_without_token_is_refused(host: str) -> None:
    (said,) = mistakes(f"[websocket]\nhost = {host}\n")
    assert said.startswith("line 2: [websocket] host: listening on") and "set a token" in said
    assert parse(f"[websocket]\nhost = {host}\ntoken = abcdefgh\n").websocket.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert parse(f"[websocket]\nhost = {host}\n").websocket.token == ""


@pytest.mark.parametrize("token", ["short", "with space1", "semicolon;1", "comma,12345", "ümlaut-12345"])
def test_a_token_that_a_client_could_not_show_is_refused(token: str) -> None:
    (said,) = mistakes(f"[websocket]\ntoken = {token}\n")
    assert said.startswith("line 2: [websocket] token:")
    assert token not in said, "a secret is not repeated"


@pytest.mark.parametrize(("given", "missing"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")])
def test_half_of_a_tls_pair_is_refused(given: str, missing: str) -> None:
    (said,) = mistakes(f"[websocket]\n{given} = /x.pem\n")
    assert said == f"[websocket] {missing}: TLS needs both tls_certificate and tls_key"


# Where it is looked for.


def test_config_is_looked_for_in_option_environment_and_etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.ini", tmp_path / "second.ini"
    first.write_text("[logging]\nlevel = error\n")
    second.write_text("[logging]\nlevel = debug\n")
    monkeypatch.setenv("NETWATCHD_CONFIG", str(second))
    assert config.load(str(first)).logging.level == "error"
    assert config.load().logging.level == "debug"
    monkeypatch.delenv("NETWATCHD_CONFIG")
    assert config.search_path(None) == (Path("/etc/netwatchd/config.ini"), False)


def test_a_file_that_was_named_must_be_there_and_be_readable(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "none.ini", "there is no such file"), (tmp_path, "it cannot be read")):
        with pytest.raises(ConfigError) as caught:
            config.load(str(path))
        assert str(caught.value).startswith(f"{path}: {told}")
    (tmp_path / "latin.ini").write_bytes("[logging]\nlevel = f\xfcr".encode("latin-1"))
    with pytest.raises(ConfigError, match="it cannot be read"):
        config.load(str(tmp_path / "latin.ini"))


@pytest.mark.parametrize(
    ("text", "stream", "page"),
    [
        ("", "ws://127.0.0.1:8765/ws", "http://127.0.0.1:8765/"),
        (
            "[websocket]\nhost = ::1\nport = 80\ntls_certificate = /c\ntls_key = /k",
            "wss://[::1]:80/ws",
            "https://[::1]:80/",
        ),
        (
            "[websocket]\nhost = ::\ntoken = 0123456789abcdef",
            f"ws://{gethostname()}:8765/ws",
            f"http://{gethostname()}:8765/",
        ),
    ],
)
def test_the_urls_are_those_that_programs_and_browsers_need(text: str, stream: str, page: str) -> None:
    websocket = parse(text).websocket
    assert (websocket.url, websocket.page_url) == (stream, page)


# The shipped file and the docs.


def test_the_shipped_file_is_without_mistakes_and_changes_nothing() -> None:
    assert parse(SHIPPED.read_text(), SHIPPED) == Config(path=SHIPPED)


def test_the_shipped_file_shows_every_setting_with_its_meaning_and_default() -> None:
    text = SHIPPED.read_text()
    assert text == reference.shipped(text), "make docs writes it anew"
    for _, _, settings in reference.sections():
        assert [key for key in settings if f"\n#{key} =" not in text] == []


def test_every_default_can_be_taken_in_by_removing_its_comment_sign() -> None:
    text = re.sub(r"^#(?=[a-z_]+ =)", "", SHIPPED.read_text(), flags=re.MULTILINE)
    assert parse(text) == Config()


def test_the_docs_show_every_setting_with_default_and_meaning_and_whether_it_is_reloaded() -> None:
    text = reference.PAGE.read_text()
    assert text == reference.page(text), "make docs writes it anew"


def test_what_is_made_of_the_fields_replaces_what_stood_there_but_for_the_beginning() -> None:
    assert reference.page("# title\n\nmine\n\n## [old]\n\n| `x` |\n").startswith("# title\n\nmine\n\n## [storage]\n")
    assert reference.shipped("# mine\n\n# an old section\n[old]\n").startswith("# mine\n\n# Where events stay")
    assert "| `level` | `info` | yes |" in reference.page("")
