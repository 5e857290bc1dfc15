"""Alerts in the service as a real systemd runs it: what its sandbox lets out, and what a command may do in there."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from box import Box, installed, layer, why_not
from running import MAC
from service_kit import QUICK, STATE, Service
from waiting import eventually

from netwatchd.alerts.webhook import signature

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=str(why_not()))]

SECRET = "0123456789abcdef0123"
# A webhook's other side: keeps the last request in a file.
RECEIVER = """
import http.server, json, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        pathlib.Path("/root/hook.new").write_text(json.dumps([dict(self.headers), body]))
        pathlib.Path("/root/hook.new").rename("/root/hook")
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8899), Handler).serve_forever()
"""
# What the docs say of a command.
COMMAND = f"""#!/bin/sh
cat > {STATE}/alert.json
cat /proc/self/status > {STATE}/alert.status
for path in /etc/x /opt/netwatchd/x /home/x /tmp/x {STATE}/x /run/netwatchd/x; do
    if touch $path 2>/dev/null; then echo $path; fi
done > {STATE}/alert.writes
echo $NETWATCHD_TITLE > {STATE}/alert.title
"""
CONFIG = f"""{QUICK}
[alert:webhook]
url = http://127.0.0.1:8899/hook
secret_file = hook-secret
[alert:command]
command = /usr/local/bin/alarm
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """netwatchd with a webhook and a command, running."""
    with ExitStack() as stack:
        service = Service(
            stack.enter_context(Box(stack.enter_context(installed()), stack.enter_context(layer()), None))
        )
        service.configure(CONFIG)
        service.box.path("/usr/local/bin/alarm").write_text(COMMAND)
        service.box.path("/usr/local/bin/alarm").chmod(0o755)
        service.box.path("/root/receiver.py").write_text(RECEIVER)
        service.box.path("/root/secret").write_text(f"{SECRET}\n")
        service.box.path("/root/secret").chmod(0o600)
        service.box.run("systemd-run", "--collect", "python3", "/root/receiver.py")
        service.drop_in("LoadCredential=hook-secret:/root/secret")
        service.systemctl("start")
        service.emit(
            {"type": "threat", "kind": "port_scan", "description": "it scanned", "severity": "high", "device": MAC}
        )
        eventually(
            lambda: service.status()["counters"].get("alerts", {}).get("sent", {}).keys() >= {"webhook", "command"}
        )
        yield service


def test_a_webhook_leaves_the_sandbox_signed_by_a_credential(service: Service) -> None:
    headers, body = json.loads(service.box.path("/root/hook").read_text())
    assert json.loads(body)["threat"]["description"] == "it scanned"
    moment = headers["Netwatchd-Timestamp"]
    assert headers["Netwatchd-Signature"] == f"sha256={signature(SECRET, moment, body.encode())}"


def test_a_command_has_no_privileges_and_may_write_where_the_docs_say(service: Service) -> None:
    def kept(name: str) -> str:
        return service.box.path(f"{STATE}/alert.{name}").read_text()

    assert json.loads(kept("json"))["event"] == "threat"
    assert kept("title") == f"HIGH: port scan by {MAC}\n"
    assert kept("writes").split() == ["/tmp/x", f"{STATE}/x", "/run/netwatchd/x"]
    told = dict(line.split(":\t", 1) for line in kept("status").splitlines() if ":\t" in line)
    for name in ("CapPrm", "CapEff", "CapAmb"):
        assert int(told[name], 16) == 0, name
    assert told["NoNewPrivs"] == "1"


def test_the_daemon_keeps_its_own_capabilities(service: Service) -> None:
    pid = service.show("MainPID")
    told = service.box.run("grep", "-h", "CapEff", f"/proc/{pid}/status", f"/proc/{pid}/task/{pid}/status")
    assert {line.split()[1].lstrip("0") for line in told.splitlines()} == {"3000"}
