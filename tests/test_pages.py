"""The page's files, and what holds for everything that is served over HTTP: guards, names, sites, the token."""

import configparser
import gzip
import http.client
import shutil
import socket
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from websocket_kit import Service, get, serving
from websocket_kit import http as raw

from netwatchd.broadcast.access import is_here
from netwatchd.broadcast.admission import origin_of
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import GUARDS, Refusal, Request
from netwatchd.broadcast.offers import Offers
from netwatchd.broadcast.pages import Pages
from netwatchd.broadcast.site import PAGE, TYPES, Site
from netwatchd.config import Websocket

ROOT = Path(__file__).parent.parent
TOKEN = "correct-horse"
FILES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())


def ask(service: Service, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; `_` in the names of headers is `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)) as connection:
        connection.request(method, path, headers=given)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()


def test_every_file_of_the_page_is_served_as_it_is_and_only_once_to_who_keeps_it() -> None:
    with serving() as service:
        for name in FILES:
            content = (PAGE / name).read_bytes()
            status, headers, body = ask(service, f"/{name}")
            assert (status, body) == (200, content), name
            assert headers["content-type"] == TYPES[Path(name).suffix]
            assert headers["cache-control"] == "no-cache"  # so that an update is seen at once
            assert headers["vary"] == "Accept-Encoding"
            status, small, body = ask(service, f"/{name}", Accept_Encoding="br, gzip;q=0.5")
            assert (status, gzip.decompress(body)) == (200, content)
            assert small["content-encoding"] == "gzip"
            assert small["etag"] == headers["etag"]
            for tag in (headers["etag"], f'"x", {headers["etag"].removeprefix("W/")}', "*"):
                assert ask(service, f"/{name}", If_None_Match=tag)[::2] == (304, b"")
            assert ask(service, f"/{name}", If_None_Match=headers["etag"][:-2] + 'x"')[0] == 200
        assert ask(service, "/")[2] == (PAGE / "index.html").read_bytes()
        assert "content-encoding" not in ask(service, "/", Accept_Encoding="gzip;q=0")[1]


def test_the_files_are_of_kinds_that_are_served_and_are_all_small() -> None:
    assert {Path(name).suffix for name in FILES} <= set(TYPES)
    assert max((PAGE / name).stat().st_size for name in FILES) < 100_000


def test_a_change_of_a_file_changes_its_tag_and_no_file_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    sites = [Site(tmp_path / "page"), Site(tmp_path / "page")]
    with pytest.raises(OSError, match="there is nothing in"):
        sites[0].file("/app.js")
    (tmp_path / "page").mkdir()  # only now: nothing was read when they were made
    tags = []
    for number, site in enumerate(sites):
        (tmp_path / "page/app.js").write_text(f"const number = {number};")
        file = site.file("/app.js")
        assert file is not None
        tags.append(file.tag)
    assert tags[0] != tags[1]
    assert sites[0].file("/app.js") is sites[0].file("/app.js")
    assert sites[0].file("/other.js") is None


def test_what_is_installed_has_every_file_of_the_page() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["netwatchd"].split()
    installed = {path for pattern in patterns for path in (ROOT / "netwatchd").glob(pattern) if path.is_file()}
    assert installed == {PAGE / name for name in FILES}


@pytest.mark.slow
def test_a_wheel_has_every_file_of_the_page(tmp_path: Path) -> None:
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "netwatchd", tmp_path / "netwatchd")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("netwatchd-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("netwatchd/page/")}
    assert packed == {f"netwatchd/page/{name}" for name in FILES}


@pytest.mark.parametrize(
    "path",
    [
        "/%61pp.js", "/app.js%00", "/APP.JS", "/app.js/", "/./app.js", "/x/../app.js", "/../page/app.js", "//app.js",
        "//127.0.0.1/app.js", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/app.js;x", "/app.js\\",
        "/uplot", "/uplot/", "/.", "/page/app.js", "/index.html/", "/__init__.py", "/etc/passwd", "/apis/flows",
        "/healthz/", "/status/x", "/ws/",
    ],
)  # fmt: skip
def test_only_the_files_by_their_names_are_there(path: str) -> None:
    with serving() as service:
        assert get(service.port, path)[0] == 404
        assert service.counters["refused.not_found"] == 1


def test_a_path_may_come_with_a_query_and_in_the_form_for_proxies() -> None:
    with serving() as service:
        for path in ("/app.js?v=7", "/app.js?", f"http://127.0.0.1:{service.port}/app.js", "/?view=flows#there"):
            assert get(service.port, path)[0] == 200, path


@pytest.mark.parametrize("path", ["/", "/app.js", "/healthz", "/status", "/api/flows", "/ws", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"])
def test_other_methods_are_refused_and_are_told_which_there_are(method: str, path: str) -> None:
    with serving() as service:
        status, reply = raw(service.port, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert status == 405
        assert "\r\nAllow: GET, HEAD\r\n" in reply


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/app.js", 200),
        ("/healthz", 200),
        ("/status", 200),
        ("/ws", 426),
        ("/nothing", 404),
        ("/api/x", 404),
    ],
)
def test_head_is_get_without_the_body(path: str, status: int) -> None:
    with serving() as service:
        got, whole, body = ask(service, path)
        assert got == status
        got, head, nothing = ask(service, path, method="HEAD")
        assert (got, nothing) == (status, b"")
        assert head == whole
        assert int(head["content-length"]) == len(body)


KINDS = {
    "a file": ("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
    "an answer": (f"GET /status?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
    "no HTTP": ("\0\r\n\r\n", 400),
    "no token": ("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n", 401),
    "another name": ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
    "nothing": ("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "a method": ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    "slow": ("GET / HT", 408),
    "no upgrade": ("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
    "long": ("GET / HTTP/1.1\r\nX: " + "y" * 20_000, 431),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_reply_has_the_guards(kind: str) -> None:
    request, status = KINDS[kind]
    with serving(token=TOKEN, handshake_timeout=0.3) as service:
        got, reply = raw(service.port, request.encode())
        assert got == status
        head = reply.partition("\r\n\r\n")[0]
        for name in GUARDS:
            assert f"\r\n{name}: " in head, name
        assert "default-src 'none'" in head
        assert "nosniff" in head
        assert len(head) < 1500


def test_the_page_may_load_and_run_nothing_but_itself() -> None:
    with serving() as service:
        policy = ask(service, "/")[1]["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == "'self'"
        assert rules["connect-src"] == f"'self' ws://127.0.0.1:{service.port}"
        assert rules["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in policy
        assert "*" not in policy
        at_ipv6 = ask(service, "/", Host=f"[::1]:{service.port}")[1]["content-security-policy"]
        assert "connect-src 'self';" in at_ipv6  # a policy has no words for such an address


@pytest.mark.parametrize("path", ["/", "/app.js", "/healthz", "/status", "/api/flows", "/nothing"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403), ("evil.example:8765", 403), ("127.0.0.1.evil.example", 403), ("", 403), ("[::1", 400),
        ("127.0.0.1; script-src *", 400), ("localhost/", 400), ("a@127.0.0.1", 400), ("127.0.0.1:x", 400),
    ],
)  # fmt: skip
def test_who_reached_us_by_a_name_that_is_not_ours_is_told_nothing(path: str, host: str, status: int) -> None:
    with serving() as service:
        assert raw(service.port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())[0] == status


def test_our_names_are_taken_and_so_is_none_at_all_where_no_browser_asks() -> None:
    with serving(allowed_origins=("https://home.example",)) as service:
        for host in ("localhost", "[::1]:8765", "10.1.2.3:1", socket.gethostname(), "home.example", "LOCALHOST"):
            assert get(service.port, "/app.js", "")[0] == 200
            request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            assert raw(service.port, request.encode())[0] == 200, host
        assert raw(service.port, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/status", "/api/flows"])
def test_another_web_page_is_told_nothing(path: str) -> None:
    with serving(allowed_origins=("https://home.example",)) as service:
        fine = 404 if path.startswith("/api") else 200
        for site in ("same-origin", "none"):
            assert ask(service, path, Sec_Fetch_Site=site)[0] == fine
        for site in ("cross-site", "same-site", "anything"):
            assert ask(service, path, Sec_Fetch_Site=site)[0] == 403
        assert ask(service, path, Origin="https://evil.example")[0] == 403
        assert ask(service, path, Origin=f"http://127.0.0.1:{service.port}")[0] == fine
        assert ask(service, path, Origin="https://home.example", Sec_Fetch_Site="cross-site")[0] == fine
        assert ask(service, "/", Sec_Fetch_Site="cross-site")[0] == 200  # who follows a link to the page
        assert service.counters["refused.origin"] == 4


def test_the_page_needs_no_token_and_what_it_asks_for_does() -> None:
    with serving(token=TOKEN) as service:
        assert ask(service, "/")[0] == ask(service, "/app.js")[0] == 200
        for path in ("/status", "/api/flows"):
            status, headers, body = ask(service, path)
            assert (status, body) == (401, b"a token is needed\n")
            assert headers["www-authenticate"] == "Bearer"  # a scheme for which no browser opens a dialog
        assert ask(service, "/status", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert ask(service, f"/status?token={TOKEN}")[0] == 200
        assert ask(service, f"/api/flows?token={TOKEN}")[0] == 404  # there is none here


def test_guessing_is_slow_whatever_it_is_tried_with() -> None:
    with serving(token=TOKEN) as service:
        replies = [
            ask(service, path, Authorization=f"Bearer guess-{number}")
            for number, path in enumerate(["/api/flows", "/status", "/api/devices", "/healthz", "/api/x", "/status"])
        ]
        assert [status for status, _, _ in replies] == [401, 401, 401, 200, 401, 401]
        status, headers, _ = ask(service, "/api/flows", Authorization=f"Bearer {TOKEN}")
        assert (status, headers["retry-after"]) == (429, "2")


def test_a_page_that_cannot_be_read_is_told_without_where_it_is(tmp_path: Path) -> None:
    pages = Pages(Websocket(), Offers(lambda command: None, dict), Guesses(""), Site(tmp_path / "page"))
    with pytest.raises(Refusal) as refused:
        pages.reply(Request("GET", "/", "/", {}, {}, "1.1"), 1)
    assert (refused.value.status, str(refused.value)) == (503, "the page cannot be read now")


PROXIED = [
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Server", "X-Real-IP", "Via", "True-Client-IP",
    "CF-Connecting-IP", "CDN-Loop",
]  # fmt: skip


@pytest.mark.parametrize("header", PROXIED)
def test_health_is_told_to_this_machine_but_not_by_a_proxy_on_it(header: str) -> None:
    with serving(token=TOKEN) as service:
        assert ask(service, "/healthz")[::2] == (200, b"ok\n")
        assert ask(service, "/healthz", **{header.replace("-", "_"): "for=1.2.3.4"})[0] == 401
        known = {header.replace("-", "_"): "1.2.3.4", "Authorization": f"Bearer {TOKEN}"}
        assert ask(service, "/healthz", **known)[0] == 200
        service.healthy = False
        assert ask(service, "/healthz")[::2] == (503, b"the disk is full\n")


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.168.1.5", False),
        ("::ffff:192.168.1.5", False), ("fe80::1%eth0", False), ("2001:db8::1", False), ("128.0.0.1", False),
    ],
)  # fmt: skip
def test_who_is_on_this_machine_is_told_by_his_address(peer: str, here: bool) -> None:
    request = Request("GET", "/healthz", "/healthz", {}, {}, "1.1")
    assert is_here(request, origin_of((peer, 1))) is here
