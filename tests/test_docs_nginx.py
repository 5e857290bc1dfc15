"""docs/install-nginx.md: a real nginx, with the configuration that stands there, before a real daemon."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import needs
from faults_kit import storage
from looking import browsing, expect, live, looking
from ports import free_port
from running import NOBODY, Daemon, scratch
from waiting import PATIENCE, eventually
from websocket_kit import PING, PONG, RawClient, split_frame
from websockets.sync.client import connect

PAGE = (Path(__file__).parent.parent / "docs/install-nginx.md").read_text()
WHOLE, BELOW = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
(CERTIFICATE,) = re.findall(r"```sh\nsudo (openssl .*?)```", PAGE, re.DOTALL)
(SETTINGS,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
TOKEN = "something-long-and-random"
# A browser knows by itself where names below localhost are.
NAME = "netwatch.localhost"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
MAIN = """
daemon off;
pid {place}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    {blocks}
}}
"""
Make = Callable[..., Daemon]

pytestmark = [pytest.mark.skipif(not NGINX, reason="needs nginx (Debian: nginx-light)"), needs("openssl")]


class Front(NamedTuple):
    """nginx, and the daemon behind it."""

    daemon: Daemon
    port: int
    trust: ssl.SSLContext

    def get(self, path: str, token: str = "", name: str = NAME) -> tuple[int, str]:
        """Status and text that somebody gets who comes by nginx."""
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", headers=shown(token))
        request.add_header("Host", f"{name}:{self.port}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=self.trust) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def shown(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def fronted(daemon: Daemon, blocks: str, settings: str = "") -> Iterator[Front]:
    """nginx with these blocks, where names, ports and paths are ours instead of the page's."""
    place = daemon.config.parent
    pem, key = place / "netwatch.pem", place / "netwatch.key"
    command = CERTIFICATE.replace("/etc/nginx", str(place)).replace("netwatch.home.example", NAME)
    subprocess.run(["sh", "-euc", command], capture_output=True, check=True)
    key.chmod(0o644)
    place.chmod(0o777)
    port = free_port()
    blocks = re.sub(r"listen \[::\]:443 ssl;\n", "", blocks).replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    for ours, theirs in (
        (f"127.0.0.1:{daemon.port}", "127.0.0.1:8765"), (NAME, "netwatch.home.example"),
        (str(pem), "/etc/nginx/netwatch.pem"), (str(key), "/etc/nginx/netwatch.key"),
    ):  # fmt: skip
        assert theirs in blocks
        blocks = blocks.replace(theirs, ours)
    text = SETTINGS.replace("https://netwatch.home.example", f"https://{NAME}:{port}")
    assert TOKEN in text and NAME in text
    daemon.config.write_text(daemon.config.read_text().replace("[websocket]\n", text + settings))
    conf = place / "nginx.conf"
    conf.write_text(MAIN.format(place=place, blocks=blocks))
    command = [*(NOBODY if os.geteuid() == 0 else []), str(NGINX), "-e", "stderr", "-p", str(place), "-c", str(conf)]
    with daemon, (place / "nginx.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(lambda: process.poll() is not None or listens(port), "nginx listens")
            assert process.poll() is None, (place / "nginx.log").read_text()
            trust = ssl.create_default_context(cafile=str(pem))
            trust.check_hostname = False  # we ask for an address
            yield Front(daemon, port, trust)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def threat(number: int) -> dict[str, Any]:
    return {"type": "threat", "kind": f"odd_{number}", "severity": "high", "description": f"thing {number}"}


def see_the_page(front: Front, path: str, number: int) -> None:
    """Loads the page in a browser, with the token; what happens shows at once."""
    at = {"scheme": "https", "host": NAME, "ignore_https_errors": True}
    with browsing() as browser, looking(browser, front.port, f"{path}#token={TOKEN}", **at) as page:  # type: ignore[arg-type]
        live(page)
        front.daemon.emit(threat(number))
        expect(page.get_by_role("link", name=f"Thing {number}")).to_be_visible()
        assert page.evaluate("location.pathname") == f"/{path}"


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    """nginx with both of the page's blocks, a name of its own and a path, and forty times as impatient."""
    blocks = WHOLE.replace("    location / {", f"{BELOW}\n    location / {{")
    patient = "proxy_read_timeout 60s;"
    assert BELOW in blocks and blocks.count(patient) == 2
    directory = scratch()
    with fronted(
        Daemon(directory, storage()), blocks.replace(patient, "proxy_read_timeout 1500ms;"), "ping_interval = 500 ms\n"
    ) as started:
        yield started
    shutil.rmtree(directory)


def test_by_a_name_of_its_own_page_websocket_and_token_work(front: Front) -> None:
    see_the_page(front, "", 1)
    # What watches from outside shows the token, and who asks on the machine itself needs none.
    assert front.get("/healthz") == (401, "a token is needed\n")
    assert front.get("/metrics")[0] == 401
    assert front.get("/healthz", TOKEN) == (200, "ok\n")
    eventually(lambda: "odd_1" in front.get("/api/threats", TOKEN)[1])
    with urllib.request.urlopen(f"http://127.0.0.1:{front.daemon.port}/healthz", timeout=PATIENCE) as answer:
        assert answer.read() == b"ok\n"
    origin = f"https://{NAME}:{front.port}"
    url = f"wss://127.0.0.1:{front.port}/ws"
    with connect(url, ssl=front.trust, origin=origin, additional_headers=shown(TOKEN)) as client:  # type: ignore[arg-type]
        assert json.loads(client.recv(PATIENCE))["type"] == "hello"
    # As the page's table says of a name that is not in allowed_origins.
    status, text = front.get("/", name="other.home.example")
    assert (status, "is not this machine's name" in text) == (403, True)


def test_the_command_line_watches_through_it(front: Front) -> None:
    place = front.daemon.config.parent
    (place / "token").write_text(TOKEN)
    words = ["--url", f"wss://127.0.0.1:{front.port}", "--token-file", place / "token", "--certificate"]
    command = [sys.executable, "-m", "netwatchd", "watch", "--json", *words, place / "netwatch.pem"]
    with subprocess.Popen(command, env=front.daemon.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["type"] == "hello"
        process.terminate()


def test_below_a_path_it_works_the_same(front: Front) -> None:
    see_the_page(front, "netwatchd/", 2)
    assert front.get("/netwatchd/healthz")[0] == 401
    assert front.get("/netwatchd/healthz", TOKEN) == (200, "ok\n")


def test_a_connection_on_which_nothing_happens_outlives_the_proxys_patience(front: Front) -> None:
    shown_token = f"Authorization: Bearer {TOKEN}\r\n"
    with RawClient(front.port, "/ws?topics=threats", shown_token, tls=front.trust) as client:
        client.open()
        pings = 0
        while pings < 8:  # 4 s, of which nginx would have waited for 1.5
            opcode, payload = frame_of(client)
            if opcode == PING:
                pings += 1
                client.send(PONG, payload)
        front.daemon.emit(threat(3))
        while b"odd_3" not in payload:
            _, payload = frame_of(client)


def frame_of(client: RawClient) -> tuple[int, bytes]:
    """The next frame: what it is, and what it holds."""
    while not (found := split_frame(client.data)):
        client.receive()
    opcode, payload, client.data = found
    return opcode, payload


def test_without_the_header_everybody_would_be_told_how_it_is(daemon: Make) -> None:
    header = "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
    with fronted(daemon(storage()), WHOLE.replace(header, "")) as front:
        assert front.get("/healthz") == (200, "ok\n"), "as the page says"
        assert front.get("/status")[0] == 401
