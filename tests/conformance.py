"""`make conformance`: the Autobahn Testsuite's fuzzing client against our server, which echoes for it.

Everything below the protocol is the daemon's own: accepting, the handshake, the framing, the outbox. Only what is done
with a message is different (RFC 6455 knows echoing only). The suite needs CPython 2.7, which nothing else here does,
so that it is run as a command and installed into a directory of its own.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from websocket_kit import serving

from netwatchd import __version__
from netwatchd.broadcast.server import Server

ROOT = Path(__file__).parent.parent
PLACE = ROOT / "build" / "conformance"
SUMMARY = ROOT / "docs" / "CONFORMANCE.md"
SUITE = "autobahntestsuite==25.10.1"
AGENT = "netwatchd"
LARGEST = 16 << 20  # bytes of a message in group 9; the daemon itself takes 64 KiB

# Everything but what takes long: group 9 with large messages, and compression, which is declined anyway.
FAST = [
    *(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)),
    "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.7.1", "9.8.1",
]  # fmt: skip

GROUPS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "close handshake and codes",
    "9": "limits and performance",
    "10": "automatic fragmentation",
    "12": "permessage-deflate",
    "13": "permessage-deflate, other parameters",
}

# INFORMATIONAL is what a case answers that only looks; UNIMPLEMENTED, that the server has declined the extension.
PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
DECLINED = "UNIMPLEMENTED"
COMPRESSION = ("12", "13")


class Echo(Server):
    """Sends back whatever a client says."""

    def new_client(self, client: dict[str, Any], server: Server) -> None:
        """Says nothing by itself."""

    def message_received(self, client: dict[str, Any], server: Server, message: str | bytes) -> None:
        """Echoes."""
        server.send_message(client, message)


Result = dict[str, Any]  # of one case: `behavior`, `behaviorClose`, ...


def fetch_suite(python: str) -> Path:
    """The program of the suite, installed where it is not there yet; exits where that cannot be."""
    found = shutil.which(python)
    probe = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    if found is None or subprocess.run([found, "-c", probe], capture_output=True, check=False).returncode:
        sys.exit(
            f"the Autobahn Testsuite needs CPython 2.7, and {python!r} is none; say where it is: "
            "make conformance PYTHON2=/path/to/python2.7"
        )
    base = PLACE / "python"
    program = base / "bin" / "wstest"
    if not program.exists():
        print(f"installing {SUITE} into {base}", flush=True)
        install = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--user", SUITE]
        if subprocess.run(install, env=os.environ | {"PYTHONUSERBASE": str(base)}, check=False).returncode:
            sys.exit(f"installing {SUITE} failed; it needs pip for {python!r}, and the package index")
    return program


def run_suite(python: str, program: Path, cases: list[str]) -> dict[str, Result]:
    """Runs the cases against a server that echoes; what is reported of each, by its number."""
    with tempfile.TemporaryDirectory() as made, serving(Echo, max_message=LARGEST + 1) as service:
        directory = Path(made)
        (directory / "spec.json").write_text(
            json.dumps(
                {
                    "outdir": "reports",
                    "servers": [
                        {"agent": AGENT, "url": f"ws://127.0.0.1:{service.port}/ws", "options": {"version": 18}}
                    ],
                    "cases": cases,
                    "exclude-cases": [],
                    "exclude-agent-cases": {},
                }
            )
        )
        environment = os.environ | {"PYTHONUSERBASE": str(PLACE / "python")}
        command = [python, str(program), "-m", "fuzzingclient", "-s", "spec.json"]
        with (PLACE / "log").open("wb") as log:
            subprocess.run(command, cwd=directory, env=environment, stdout=log, stderr=log, check=True)
        # It ends with 0 whatever it found, and without a report where it found no server.
        shutil.rmtree(PLACE / "reports", ignore_errors=True)
        shutil.copytree(directory / "reports", PLACE / "reports")
    reported: dict[str, dict[str, Result]] = json.loads((PLACE / "reports" / "index.json").read_text())
    return reported[AGENT]


def outcome(case: str, result: Result) -> str:
    """`passed`, `declined` or `failed`."""
    if result["behaviorClose"] not in PASSED:
        return "failed"
    if result["behavior"] == DECLINED and case.split(".")[0] in COMPRESSION:
        return "declined"
    return "passed" if result["behavior"] in PASSED else "failed"


def summary(results: dict[str, Result], cases: list[str], python2: str) -> str:
    """What docs/CONFORMANCE.md says."""
    counts: dict[str, Counter[str]] = {group: Counter() for group in GROUPS}
    words: Counter[str] = Counter()
    for case, result in results.items():
        counts.setdefault(case.split(".")[0], Counter())[outcome(case, result)] += 1
        words[result["behavior"]] += 1
    lines = [f"| {'group':<42} | cases | passed | declined | failed |", f"|{'-' * 44}|--:|--:|--:|--:|"]
    for group, count in counts.items():
        if total := count.total():
            name = f"{group} {GROUPS.get(group, '')}"
            lines.append(f"| {name:<42} | {total} | {count['passed']} | {count['declined']} | {count['failed']} |")
    every = sum(counts.values(), Counter())
    lines.append(
        f"| {'**all**':<42} | **{every.total()}** | **{every['passed']}** | {every['declined']} "
        f"| **{every['failed']}** |"
    )
    said = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
    return HEAD.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        netwatchd=__version__,
        suite=SUITE.replace("==", " "),
        wsproto=version("wsproto"),
        python=platform.python_version(),
        python2=python2,
        cases="all cases" if cases == ["*"] else "the fast cases",
        table="\n".join(lines),
        said=said,
    )


HEAD = """# Conformance

`make conformance` runs the fuzzing client of the Autobahn Testsuite against netwatchd's WebSocket server and writes
this page; `make conformance ARGS=--fast` runs the cases that take no time, and writes nothing. It needs CPython 2.7
besides (`PYTHON2=/path/to/python2.7`). The server echoes for it and allows messages of 16 MiB; all the rest is what the
daemon runs: accepting, handshake, framing, queues.

{date}: netwatchd {netwatchd}, wsproto {wsproto}, CPython {python}; {suite} on CPython {python2}; {cases}.

{table}

The suite's own words: {said}.

A case passes where both the behaviour and the closing are as the suite expects; what is only informational passes,
too. *Declined*: the client offers permessage-deflate, the server answers the handshake without it, as RFC 7692 section
5 allows, and there is nothing to try. Messages are some hundred bytes, and compression would cost memory for each
client.
"""


def _version_of(python: str) -> str:
    code = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Runs the suite, prints what it found, keeps the summary of all cases; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--python2", default="python2.7", help="CPython 2.7 (python2.7)")
    parser.add_argument("--fast", action="store_true", help="only the cases that take no time")
    parser.add_argument("--cases", nargs="+", help="only these, such as 7.*")
    options = parser.parse_args()
    cases = options.cases or (FAST if options.fast else ["*"])
    PLACE.mkdir(parents=True, exist_ok=True)
    results = run_suite(options.python2, fetch_suite(options.python2), cases)
    failed = {case: result for case, result in results.items() if outcome(case, result) == "failed"}
    text = summary(results, cases, _version_of(options.python2))
    print("\n".join(line for line in text.splitlines() if line.startswith("|")))
    for case, result in failed.items():
        print(f"case {case} failed: {result['behavior']}, closing {result['behaviorClose']}")
    if cases == ["*"]:
        SUMMARY.write_text(text)
    print(f"{len(results)} cases, {len(failed)} failed; the report is {PLACE / 'reports' / 'index.html'}")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
