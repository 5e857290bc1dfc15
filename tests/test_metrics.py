"""GET /metrics: what Prometheus reads of a daemon that works, and who may read it."""

import gzip
import http.client
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import needs_promtool
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch
from waiting import eventually

from netwatchd import config
from netwatchd.events import SEVERITIES
from netwatchd.metrics import figures
from netwatchd.metrics.asked import Asked
from netwatchd.metrics.exposition import MISSING, every_metric
from netwatchd.metrics.names import OF_PROCESS

Make = Callable[..., Daemon]
TOKEN = "correct-horse"
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"}
THREAT = {"type": "threat", "kind": "port scan", "description": "one", "severity": "high", "device": MAC}


@pytest.fixture(scope="module")
def busy() -> Iterator[Daemon]:
    """A daemon with a device, two flows and a threat."""
    directory = scratch()
    with Daemon(directory, "[metrics]\ndevices = 10") as running:
        assert running.emit(DEVICE, flow_line(1), flow_line(2), THREAT) == []
        assert running.emit({"type": "nonsense"})
        eventually(lambda: len(running.flows()) == 2)
        yield running
    shutil.rmtree(directory, ignore_errors=True)


def ask(running: Daemon, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; `_` in the names of headers is `-`."""
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        connection.request("GET", "/metrics", headers={key.replace("_", "-"): text for key, text in headers.items()})
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()


def scrape(running: Daemon) -> str:
    """What Prometheus reads."""
    status, _, body = ask(running)
    assert status == 200, body
    return body.decode()


def value(text: str, metric: str, **labels: str) -> float | None:
    """The value of one sample, None where there is none; labels that are not named may be any, if there is but one."""
    found = [
        sample.value
        for family in classic(text)
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1, (metric, labels, found)
    return found[0] if found else None


def families(found: Iterable[Metric]) -> dict[str, Metric]:
    return {family.name: family for family in found}


def test_what_happened_is_told_with_source_reason_kind_and_severity(busy: Daemon) -> None:
    text = scrape(busy)
    told = busy.status()
    assert value(text, "netwatchd_received_events_total", source="json") == told["received"]["json"] == 4
    assert value(text, "netwatchd_stored_rows_total", kind="flows") == told["stored"]["flows"]
    assert value(text, "netwatchd_malformed_total", source="json") == 1
    assert value(text, "netwatchd_dropped_total", kind="flows", reason="storage_full") == 0
    assert value(text, "netwatchd_devices", status="online") == told["online"]
    assert value(text, "netwatchd_devices", status="offline") == told["devices"] - told["online"]
    assert value(text, "netwatchd_live_flows") == told["live_flows"]
    assert [value(text, "netwatchd_open_threats", severity=each) for each in SEVERITIES] == [0, 0, 0, 1, 0]
    assert value(text, "netwatchd_source_up", source="json") == 1
    assert value(text, "netwatchd_source_up", source="conntrack") == 0
    assert value(text, "netwatchd_source_failed", source="conntrack") == 0
    assert value(text, "netwatchd_database_ok") == 1
    assert value(text, "netwatchd_database_max_bytes") == 2_000_000_000
    assert value(text, "netwatchd_waiting_events", queue="flows") == 0
    assert (value(text, "netwatchd_build_info", version=told["version"])) == 1
    for name in ("uptime_seconds", "database_bytes", "filesystem_free_bytes", "written_today_bytes"):
        assert (value(text, f"netwatchd_{name}") or 0) > 0, name
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"):
        assert (value(text, name) or 0) > 0, name


def test_every_metric_that_is_told_is_described_and_has_its_type_and_labels(busy: Daemon) -> None:
    found = families(classic(scrape(busy)))
    known = {metric.name.removesuffix("_total"): metric for metric in every_metric()}
    assert len(known) == len(every_metric())
    assert found.keys() <= known.keys()
    for name, family in found.items():
        metric = known[name]
        assert (family.type, family.documentation) == (metric.type, metric.help) or metric in OF_PROCESS, name
        assert all(set(sample.labels) == set(metric.labels) for sample in family.samples), name


def test_the_time_until_a_limit_is_told_in_seconds(busy: Daemon) -> None:
    status = busy.status()
    status["budget"] |= {"first": "disk", "days": 2.5}  # as it is after some hours
    asked = Asked(lambda: config.load(str(busy.config)), lambda: status, list, list)
    found = [each for each in figures.samples(asked, status) if each.metric is figures.LIMIT]
    assert [(each.labels, each.value) for each in found] == [(("disk",), 216_000)]


@needs_promtool
def test_promtool_finds_nothing_to_lint(busy: Daemon) -> None:
    text = scrape(busy)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_it_is_told_in_the_format_that_is_asked_for_and_compressed_where_that_is_understood(busy: Daemon) -> None:
    _, plain, text = ask(busy)
    _, zipped, small = ask(busy, Accept_Encoding="gzip")
    _, new, other = ask(busy, Accept=OPENMETRICS)
    assert plain["content-type"].startswith("text/plain; version=")
    assert plain["vary"] == zipped["vary"] == "Accept, Accept-Encoding"
    assert zipped["content-encoding"] == "gzip"
    assert "content-encoding" not in plain
    assert families(classic(gzip.decompress(small).decode())).keys() == families(classic(text.decode())).keys()
    assert new["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert other.endswith(b"# EOF\n")
    assert families(openmetrics(other.decode())).keys() >= families(classic(text.decode())).keys() - {"process"}


def test_this_machine_needs_no_token_and_everybody_else_does(daemon: Make) -> None:
    with daemon(f"[websocket]\ntoken = {TOKEN}") as running:
        assert ask(running)[0] == 200
        # Somebody else, for whom a proxy on this machine asks.
        status, headers, body = ask(running, X_Forwarded_For="192.0.2.1")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert b"netwatchd_" not in body
        assert ask(running, X_Forwarded_For="192.0.2.1", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert ask(running, Sec_Fetch_Site="cross-site")[0] == 403
        assert ask(running, Origin="https://evil.example")[0] == 403


def test_without_the_library_it_says_what_to_install_and_nothing_else_is_missing(daemon: Make, tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('as if it were not there')")
    with daemon(PYTHONPATH=str(tmp_path)) as running:
        status, _, body = ask(running)
        assert (status, body.decode().strip()) == (501, MISSING)
        assert running.status()["counters"]["refused"]["no_library"] == 1


def test_the_library_is_loaded_when_somebody_asks_and_not_before(daemon: Make) -> None:
    with daemon(PYTHONPROFILEIMPORTTIME="1") as running:  # so that its log names what it imports
        running.status()
        assert "netwatchd.metrics.exposition" in running.log
        assert "prometheus_client" not in running.log
        scrape(running)
        assert "prometheus_client" in running.log
        first = running.memory()
        for _ in range(20):
            scrape(running)
        assert running.memory() - first < 4  # megabytes: a scrape leaves nothing behind


def test_traffic_of_devices_is_told_of_those_who_moved_most_only_where_it_is_wanted(daemon: Make) -> None:
    with daemon() as running:
        device = {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "secret-host", "name": "Desk"}
        assert running.emit(DEVICE, device, flow_line(1)) == []
        assert running.emit(flow_line(2, src_ip="192.168.1.6", bytes_in=10**9)) == []
        eventually(lambda: len(running.flows()) == 2)
        text = scrape(running)
        assert MAC not in text
        assert OTHER_MAC not in text
        running.configure("[metrics]\ndevices = 1")
        running.signal(signal.SIGHUP)
        text = eventually(lambda: OTHER_MAC in (found := scrape(running)) and found)
    assert value(text, "netwatchd_device_traffic_bytes_total", device=OTHER_MAC, direction="in") == 10**9
    assert value(text, "netwatchd_device_info", device=OTHER_MAC, name="Desk") == 1
    assert MAC not in text
    assert "secret-host" not in text


def test_words_of_the_network_are_no_labels(daemon: Make) -> None:
    words = ["a" * 300, 'x"} 1\nevil 2', "\ud800", "ünïcode", "{", "a b", *(f"word{n}" for n in range(300))]
    with daemon() as running:
        for word in words:
            running.emit(
                flow_line(1, source=word), DEVICE | {"hostname": word}, THREAT | {"kind": word, "target": word}
            )
        text = scrape(running)
    told = families(classic(text))
    assert "evil" not in told
    labels = {label for family in told.values() for each in family.samples for label in each.labels.values()}
    assert not labels & set(words)
    assert len(labels) < 200
