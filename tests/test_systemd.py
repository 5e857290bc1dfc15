"""The service as a real systemd runs it, in a small Debian where `make install` put it (`make test-systemd`)."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from box import Box, installed, layer, why_not
from home import HOST_MAC, home_network
from home import why_not as why_no_home
from running import MAC, fill, flow_line
from service_kit import INTRUDER, QUICK, STATE, UNIT, Service, figure, hanging
from waiting import PATIENCE, eventually

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=str(why_not()))]

# Where the kernel keeps what MemoryMax= says: by cgroup v2, and by v1.
LIMITS = [f"system.slice/{UNIT}/memory.max", f"memory/system.slice/{UNIT}/memory.limit_in_bytes"]


@pytest.fixture(scope="module")
def release() -> Iterator[Path]:
    """What `make install` makes of this checkout."""
    with installed() as made:
        yield made


@pytest.fixture
def boot(release: Path) -> Iterator[Callable[..., Service]]:
    """Boots boxes with netwatchd installed in them, neither started nor enabled."""
    with ExitStack() as stack:

        def make(config: str = QUICK, namespace: str | None = None) -> Service:
            service = Service(stack.enter_context(Box(release, stack.enter_context(layer()), namespace)))
            service.configure(config)
            return service

        yield make


@pytest.fixture
def service(boot: Callable[..., Service]) -> Service:
    """netwatchd in a box of its own, not started yet."""
    return boot()


@pytest.fixture
def card(service: Service, tmp_path: Path) -> Iterator[Path]:
    """The service's state directory is a file system of its own; the path is where it is for us."""
    image = tmp_path / "card"
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    device = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=True)
    try:
        mount = service.box.command("mount", "/dev/card", STATE)
        number = Path(device.stdout.strip()).stat().st_rdev
        service.box.run("mknod", "/dev/card", "b", str(number >> 8), str(number & 0xFF))
        service.box.run("mkdir", "-p", STATE)
        subprocess.run(mount, check=True)
        yield service.box.path(STATE)
    finally:
        subprocess.run(["losetup", "--detach", device.stdout.strip()], check=True)


def test_it_starts_as_its_own_user_with_two_capabilities_and_says_when_it_is_ready(service: Service) -> None:
    service.systemctl("start")
    # `systemctl start` returns when READY has come: from then on it can be talked to.
    service.emit(flow_line(1))
    process = service.box.path(f"/proc/{service.show('MainPID')}/status").read_text()
    user = service.box.run("id", "-u", "netwatchd").strip()
    assert re.search(r"^Uid:(.*)", process, re.MULTILINE)[1].split() == [user] * 4
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        # CAP_NET_ADMIN is 12, CAP_NET_RAW 13.
        assert int(re.search(rf"^{kind}:\s*(\w+)", process, re.MULTILINE)[1], 16) == 1 << 12 | 1 << 13
    assert "NoNewPrivs:\t1" in process


def test_systemctl_status_shows_a_line_with_the_figures(service: Service) -> None:
    service.systemctl("start")
    service.emit({"type": "device", "mac": MAC}, flow_line(1))
    eventually(lambda: "1 of 1 devices online" in service.show("StatusText"))
    line = service.show("StatusText")
    assert (figure("received", line), figure("dropped", line)) == (2, 0)
    assert "database ok" in line and "sources on: json" in line
    assert line in service.systemctl("status")


def test_a_reload_takes_a_good_file_and_leaves_everything_as_it_is_with_a_bad_one(service: Service) -> None:
    service.systemctl("start")
    pid = service.show("MainPID")
    service.configure(QUICK + "[logging]\nlevel = debug\n")
    service.systemctl("reload")
    service.says("the configuration was reloaded")
    service.configure(QUICK + "[logging]\nlevel = loud\n")
    answer = service.box.run("sh", "-c", f"systemctl reload {UNIT} || echo refused")
    # Who asked is told, and the journal says what is wrong, and where.
    assert "refused" in answer
    service.says("[logging] level")
    assert (service.show("MainPID"), service.show("ActiveState")) == (pid, "active")
    service.emit(flow_line(1))
    eventually(lambda: service.flows() == [1])


def test_journal_entries_have_fields(service: Service) -> None:
    service.configure(QUICK.replace("enabled = no", "enabled = auto"))
    service.systemctl("start")
    (ready,) = eventually(lambda: service.log("EVENT=ready"))
    assert (ready["PRIORITY"], ready["LOGGER"], ready["SYSLOG_IDENTIFIER"]) == ("6", "netwatchd.daemon", "netwatchd")
    assert ready["THREAD"] == "MainThread"
    assert ready["_SYSTEMD_UNIT"] == UNIT
    sources = {"json", "neighbours", "conntrack", "leases", "hosts", "dhcp", "mdns", "ssdp", "prober", "asker"}
    assert {entry["SOURCE"] for entry in service.log() if "SOURCE" in entry} == sources
    assert any("is on" in entry["MESSAGE"] for entry in service.log("SOURCE=conntrack"))
    service.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"})
    (new,) = eventually(lambda: service.log(f"DEVICE={MAC}"))
    assert (new["EVENT"], new["SOURCE"]) == ("new_device", "json")
    service.systemctl("stop")
    (stopped,) = eventually(lambda: service.log("EVENT=stopped"))
    assert figure("received", stopped["MESSAGE"]) >= 1


def test_a_journal_that_hangs_disturbs_nothing_else(service: Service) -> None:
    service.configure(QUICK + "[logging]\nlevel = debug\n")
    service.systemctl("start")
    journald = service.box.run("systemctl", "show", "--property=MainPID", "--value", "systemd-journald").strip()
    service.box.run("sh", "-c", f"kill -STOP {journald}")
    # At this level each has its line in the log; far more than the kernel keeps for who does not read.
    devices = [{"type": "device", "mac": f"a4:83:e7:00:{n >> 8:02x}:{n & 255:02x}"} for n in range(5000)]
    service.emit(*devices)
    eventually(lambda: service.status()["stored"].get("devices", 0) >= 5000)
    service.box.run("sh", "-c", f"kill -CONT {journald}")
    service.emit({"type": "device", "mac": "a4:83:e7:01:00:00"})
    service.says("lines of the log are lost: the journal did not take them")


def test_its_sandbox_scores_well_where_it_runs(service: Service) -> None:
    score = re.search(
        r"exposure level for netwatchd.service: ([0-9.]+)", service.box.run("systemd-analyze", "security", UNIT)
    )
    # Of these, 0.2 are the packet sockets of the source capture.
    assert score and float(score[1]) <= 2.2


def test_nothing_but_its_own_directories_can_be_written_and_no_privilege_be_had(service: Service) -> None:
    service.box.path("/opt/intruder.py").write_text(INTRUDER)
    # All that the unit says, but for the program.
    service.drop_in("Type=oneshot", "ExecStart=", "ExecStart=/opt/netwatchd/bin/python /opt/intruder.py")
    service.systemctl("start", check=False)
    entries = eventually(lambda: len(found := service.log("_COMM=python")) >= 23 and found)
    said = [str(entry["MESSAGE"]).split(" ", 1) for entry in entries]
    allowed = {what for verdict, what in said if verdict == "allowed"}
    assert allowed == {"write /var/lib/netwatchd/x", "write /run/netwatchd/x", "netlink", "packets"}


def test_a_directory_outside_the_sandbox_is_said_and_a_drop_in_lets_it_in(service: Service) -> None:
    service.configure(QUICK + "directory = /srv/netwatchd\n")
    service.box.run("install", "--directory", "--owner=netwatchd", "/srv/netwatchd")
    service.systemctl("start", check=False)
    service.says("cannot write to /srv/netwatchd")
    service.drop_in("ReadWritePaths=/srv/netwatchd")
    service.systemctl("restart")
    service.emit(flow_line(1))
    eventually(lambda: service.flows("/srv/netwatchd") == [1])


def test_after_a_crash_it_is_started_again_and_has_what_was_committed(service: Service) -> None:
    service.systemctl("start")
    service.emit(*map(flow_line, range(100)))
    eventually(lambda: service.status()["stored"].get("flows") == 100)
    pid = service.show("MainPID")
    service.kill(signal.SIGKILL)
    service.became("active", than=pid)
    service.emit(flow_line(100))
    eventually(lambda: service.flows() == list(range(101)))
    assert service.show("NRestarts") == "1"


def test_a_mistake_in_the_configuration_is_not_tried_again(service: Service) -> None:
    service.configure("[storage]\ncommit_interval = soon\n")
    service.systemctl("start", check=False)
    service.became("failed")
    assert (service.show("ExecMainStatus"), service.show("NRestarts")) == ("78", "0")
    service.says("[storage] commit_interval")


def test_a_port_in_use_is_tried_again_at_intervals_until_it_is_free(service: Service) -> None:
    service.drop_in("RestartSec=1")
    listen = "import socket, sys; s = socket.create_server(('127.0.0.1', 8765)); print(flush=True); sys.stdin.read()"
    held = service.box.command("python3", "-c", listen)
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline()
        begun = time.monotonic()
        service.systemctl("start", check=False)
        eventually(lambda: int(service.show("NRestarts")) >= 3)
        # It is no storm: a second at least lies between two attempts.
        assert int(service.show("NRestarts")) <= time.monotonic() - begun + 1
        holder.communicate()
    service.became("active")
    service.says("cannot listen on 127.0.0.1 port 8765")


def test_a_process_that_stands_still_is_killed_by_the_watchdog_and_started_again(service: Service) -> None:
    service.drop_in("WatchdogSec=3", "TimeoutAbortSec=3", "RestartSec=1")
    service.systemctl("start")
    service.emit(flow_line(1))
    eventually(lambda: service.flows() == [1])
    pid = service.show("MainPID")
    service.kill(signal.SIGSTOP)
    service.became("active", than=pid)
    service.emit(flow_line(2))
    eventually(lambda: service.flows() == [1, 2])
    service.says("Watchdog timeout")
    service.says("Failed with result 'watchdog'")


def test_a_card_that_hangs_makes_the_watchdog_act_and_costs_nothing(service: Service, card: Path) -> None:
    service.drop_in("WatchdogSec=4", "TimeoutAbortSec=10", "RestartSec=1")
    service.systemctl("start")
    service.emit(flow_line(1))
    eventually(lambda: service.flows() == [1])
    pid = service.show("MainPID")
    with hanging(card):
        service.emit(*map(flow_line, range(2, 100)))
        service.says("threads are stuck: storage")
        # Everything else works, and takes what comes.
        service.emit(flow_line(100))
        assert service.status()["received"] == {"json": 100}
        service.says("Watchdog timeout")
        service.says("99 pending events were saved to /run/netwatchd/spool.jsonl")
        # The writer has no second chance.
        service.says("with signal SIGKILL")
    service.became("active", than=pid)
    eventually(lambda: service.flows() == list(range(1, 101)))
    # The stacks of all threads are in the journal, to see what hung.
    service.says("Thread 0x")
    service.says("netwatchd/storage/connection.py")


def test_a_stop_while_the_card_hangs_saves_what_waits_for_it(service: Service, card: Path) -> None:
    service.drop_in("TimeoutStopSec=10")
    service.systemctl("start")
    with hanging(card):
        service.emit(*map(flow_line, range(100)))
        service.box.run("systemctl", "stop", "--no-block", UNIT)
        service.says("100 pending events were saved to /run/netwatchd/spool.jsonl")
        service.says("with signal SIGKILL")
    service.became("failed")
    service.systemctl("start")
    eventually(lambda: service.flows() == list(range(100)))


def test_what_a_full_card_cannot_take_at_a_stop_is_kept_in_memory_until_the_next_start(
    service: Service, card: Path
) -> None:
    service.systemctl("start")
    service.emit(flow_line(1))
    eventually(lambda: service.flows() == [1])
    ballast = fill(card)
    service.emit(*map(flow_line, range(2, 20_000)))
    service.systemctl("stop")
    service.says("saved to /run/netwatchd/spool.jsonl for the next start")
    ballast.unlink()
    service.systemctl("start")
    eventually(lambda: service.flows() == list(range(1, 20_000)))


def test_it_stops_within_its_deadline_under_load_and_has_stored_what_it_took(service: Service) -> None:
    service.systemctl("start")
    with service.flood():
        eventually(lambda: service.status()["received"].get("json", 0) > 20_000)
        service.systemctl("stop")
        (stopped,) = eventually(lambda: service.log("EVENT=stopped"))
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("success", "0")
    received = figure("received", stopped["MESSAGE"])
    assert received > 20_000
    assert figure("dropped", stopped["MESSAGE"]) == 0
    assert len(service.flows()) == received
    # systemd's own count: from the request to the end of the process.
    took = int(service.show("InactiveEnterTimestampMonotonic")) - int(service.show("ActiveExitTimestampMonotonic"))
    assert took < 10e6


def test_reloads_under_load_cost_nothing(service: Service) -> None:
    service.systemctl("start")
    with service.flood(wanted=10_000, producers=4) as producers:
        for n in range(5):
            service.configure(QUICK + f"commit_rows = {1000 + n}\n")
            service.systemctl("reload")
        for each in producers:
            assert each.wait(PATIENCE) == 0
    eventually(lambda: service.status()["stored"].get("flows") == 40_000)
    assert len(service.flows()) == 40_000
    assert service.show("NRestarts") == "0"


def test_a_burst_under_a_tight_memory_limit_makes_writers_wait_and_kills_nothing(service: Service) -> None:
    service.drop_in("MemoryHigh=56M", "MemoryMax=64M", "MemorySwapMax=0")
    service.systemctl("start")
    limits = [service.box.path(f"/sys/fs/cgroup/{name}") for name in LIMITS]
    assert [int(limit.read_text()) for limit in limits if limit.exists()] == [64 * 2**20]
    with service.flood(wanted=20_000) as producers:
        for each in producers:
            assert each.wait(PATIENCE) == 0
    eventually(lambda: service.status()["stored"].get("flows") == 160_000)
    assert (service.show("NRestarts"), service.show("Result")) == ("0", "success")


def test_only_members_of_the_group_may_write_to_the_socket_and_read_the_databases(service: Service) -> None:
    service.systemctl("start")
    service.emit(flow_line(1))
    eventually(service.flows)
    for name, groups in (("member", ["--groups", "netwatchd"]), ("stranger", [])):
        service.box.run("useradd", *groups, name)
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/netwatchd/events.sock')"

    def may(user: str, *command: str) -> bool:
        done = subprocess.run(
            service.box.command("runuser", "-u", user, "--", *command), capture_output=True, check=False
        )
        return done.returncode == 0

    for command in (["python3", "-c", connect], ["netwatchd", "flows"], ["cat", "/etc/netwatchd/config.ini"]):
        assert may("member", *command)
        assert not may("stranger", *command)


def test_it_runs_as_a_dynamic_user_too(service: Service) -> None:
    service.drop_in("DynamicUser=yes", "User=netwatchd-dynamic", "Group=", "SupplementaryGroups=netwatchd")
    service.systemctl("start")
    service.emit(flow_line(1))
    eventually(lambda: service.flows() == [1])
    service.systemctl("restart")
    service.emit(flow_line(2))
    eventually(lambda: service.flows() == [1, 2])
    status = service.box.path(f"/proc/{service.show('MainPID')}/status").read_text()
    assert int(re.search(r"^Uid:\s*(\d+)", status, re.MULTILINE)[1]) >= 61184  # systemd's range for dynamic users


def test_after_a_power_cut_it_starts_at_boot_with_what_was_committed(service: Service) -> None:
    service.box.run("systemctl", "enable", "--now", UNIT)
    with service.flood(producers=2):
        eventually(lambda: service.status()["stored"].get("flows", 0) > 5_000)
        stored = service.status()["stored"]["flows"]
        service.box.crash()
    service.box.boot()
    service.became("active")
    assert len(service.flows()) >= stored
    service.emit(flow_line(60_000 - 1))
    eventually(lambda: 60_000 - 1 in service.flows())


@pytest.mark.skipif(bool(why_no_home("nft")), reason=str(why_no_home("nft")))
def test_on_a_router_the_kernels_sources_work_inside_the_sandbox(boot: Callable[..., Service]) -> None:
    with home_network() as home:
        on = "".join(f"[source:{name}]\nenabled = yes\n" for name in ("conntrack", "neighbours", "capture"))
        service = boot(f"{on}interface = lan0\npromiscuous = yes\n", home.router.name)
        service.systemctl("start")
        home.host.run("ping", "-c", "1", "203.0.113.1")
        eventually(lambda: HOST_MAC in service.box.run("netwatchd", "devices", "--json"))
        eventually(lambda: "203.0.113.1" in service.box.run("netwatchd", "flows", "--json"))
        # The ping is preceded by ARP.
        eventually(lambda: json.loads(service.box.run("netwatchd", "status", "--json"))["counters"].get("packets"))
        service.systemctl("stop")


def test_make_uninstall_stops_it_and_leaves_settings_and_data(service: Service) -> None:
    service.box.run("systemctl", "enable", "--now", UNIT)
    service.emit(flow_line(1))
    service.box.run("make", "--directory=/root/netwatchd", "uninstall")
    assert service.show("LoadState") == "not-found"
    assert not service.box.path("/opt/netwatchd").exists()
    assert service.flows() == [1]
    assert service.box.path("/etc/netwatchd/config.ini").exists()
