"""`make fuzz`: damaged input for everything that reads, for minutes or hours, within bounds of time and memory.

Inputs are damaged copies of valid examples; one that leads to an outcome not met before becomes an example itself. A
finding is an exception that is not declared, an assertion that fails, more than a second of CPU, or 64 MB more memory.
What is found is made smaller and saved; `--input FILE` tries it again.
"""

import argparse
import gc
import logging
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from random import Random

from fuzz_announcements import ANNOUNCEMENTS
from fuzz_http import HTTP
from fuzz_lists import LISTS
from fuzz_live import live_targets
from fuzz_logs import LOGS
from fuzz_names import NAMES
from fuzz_netflow import NETFLOW
from fuzz_packets import PACKETS
from fuzz_sflow import SFLOW
from fuzz_targets import LINES, ROOT, TARGETS, Target
from mutation import damaged

FOUND = ROOT / "build" / "fuzz"
RECORDED = ROOT.parent / "shared" / "data"  # real inputs, where they lie beside the checkout

MOST_CPU = 1.0  # seconds an input
MOST_TIME = 5  # seconds of CPU until an input is interrupted
MOST_MEMORY = 64 << 10  # KiB that one input, or all of them, may add
MOST_ADDRESSES = 4 << 30  # bytes: what never ends must not take the machine's memory along
MOST_EXAMPLES, LONGEST_EXAMPLE = 5000, 5000  # the second in bytes
MOST_FINDINGS = 10  # of one target; what is behind them is likely the same
SHRINKING = 10.0  # seconds for making a finding smaller


class TooMuch(Exception):
    """An input took more time or memory than any may."""


def attempt(target: Target, data: bytes) -> str:
    """What becomes of an input; raises whatever the target raises, and TooMuch."""
    memory, cpu = peak(), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, MOST_TIME)
    try:
        outcome = target.run(data)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if (took := time.process_time() - cpu) > MOST_CPU:
        raise TooMuch(f"{took:.1f} s of CPU")
    if (added := peak() - memory) > MOST_MEMORY:
        raise TooMuch(f"{added >> 10} MB more memory")
    return outcome


def peak() -> int:
    """The most memory that this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident() -> int:
    """The memory that it has now, in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * (resource.getpagesize() >> 10)


def interrupt(*_: object) -> None:
    """Ends an input that never ends."""
    raise TooMuch(f"it had not ended after {MOST_TIME} s of CPU")


def signature(error: BaseException) -> str:
    """Where a finding was made: one place is reported once."""
    if isinstance(error, TooMuch):  # it was interrupted anywhere
        return "TooMuch"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def fails_alike(target: Target, data: bytes, sign: str) -> bool:
    """Whether an input leads to the same finding."""
    try:
        attempt(target, data)
    except Exception as error:  # noqa: BLE001 - any is a finding
        return signature(error) == sign
    return False


def smaller(target: Target, data: bytes, sign: str) -> bytes:
    """A smaller input with the same finding."""
    end, step = time.monotonic() + SHRINKING, max(len(data) // 2, 1)
    while time.monotonic() < end:
        at, before = 0, len(data)
        while at < len(data) and time.monotonic() < end:
            less = data[:at] + data[at + step :]
            if fails_alike(target, less, sign):
                data = less
            else:
                at += step
        if step == 1 and len(data) == before:
            break
        step = max(step // 2, 1)
    return data


class Campaign:
    """One target for some time."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self.examples = list(target.seeds)
        self.outcomes: set[str] = set()
        self.findings: dict[str, bytes] = {}
        self.inputs = 0
        self._random = Random(f"{seed} {target.name}")

    def run(self, seconds: float) -> None:
        """Tries the examples, then damaged ones until the time is over."""
        for example in self.target.seeds:
            self._try(example)
        before, begun = resident(), time.monotonic()
        while time.monotonic() < begun + seconds and len(self.findings) < MOST_FINDINGS:
            self._try(damaged(self._random, self.examples, self.target.words))
        took = time.monotonic() - begun
        gc.collect()
        grown = resident() - before
        print(
            f"{self.target.name:<12} {self.inputs:>9,} inputs {self.inputs / max(took, 0.001):>8,.0f}/s "
            f"{len(self.outcomes):>5} outcomes {grown / 1024:>+7.1f} MB {len(self.findings):>3} findings",
            flush=True,
        )
        if grown > MOST_MEMORY:
            self.findings["memory grows"] = b""
            print(f"    its memory has grown by {grown >> 10} MB in {self.inputs:,} inputs")

    def _try(self, data: bytes) -> None:
        self.inputs += 1
        try:
            outcome = attempt(self.target, data)
        except Exception as error:  # noqa: BLE001 - any is a finding
            self._note(error, data)
            return
        if outcome not in self.outcomes and len(self.outcomes) < MOST_EXAMPLES:
            self.outcomes.add(outcome)
            self.examples.append(data[:LONGEST_EXAMPLE])

    def _note(self, error: Exception, data: bytes) -> None:
        sign = signature(error)
        if sign in self.findings:
            return
        self.findings[sign] = data
        told = "".join(traceback.format_exception(error))
        data = smaller(self.target, data, sign)
        FOUND.mkdir(parents=True, exist_ok=True)
        path = FOUND / f"{self.target.name}-{sha256(data).hexdigest()[:8]}"
        path.write_bytes(data)
        print(f"{self.target.name}: {sign}\n{told}    input: {data!r:.500}\n    saved: {path}\n", flush=True)


def recorded(target: Target) -> list[bytes]:
    """Real inputs that others recorded, for whom they are of use."""
    if not RECORDED.is_dir():
        return []
    if target.name in ("json", "lines", "commands"):
        files = sorted([*RECORDED.rglob("*.json"), *RECORDED.rglob("*.jsonl")])
        return [line[:4000] for file in files for line in file.read_bytes().split(b"\n")[:20]] + LINES
    if target.name in ("conntrack", "neighbours", "http", "live-frames", "live-tls"):
        # What goes over wires: damage of another kind than ours.
        return [file.read_bytes()[:2000] for file in sorted(RECORDED.rglob("*.pcap"))[:60]]
    if target.name == "leases":
        return [file.read_bytes() for file in sorted(RECORDED.rglob("*lease*")) if file.is_file()]
    if target.name == "captures":
        captures = [*RECORDED.rglob("*.pcap"), *RECORDED.rglob("*.pcapng")]
        return [file.read_bytes() for file in sorted(captures) if file.stat().st_size < 20_000]
    return []


@contextmanager
def targets(names: list[str]) -> Iterator[list[Target]]:
    """The targets of these names, or all."""
    with live_targets() as live:
        every = [*TARGETS, HTTP, NETFLOW, SFLOW, *PACKETS, *ANNOUNCEMENTS, *LOGS, *NAMES, *LISTS, *live]
        if unknown := set(names) - {target.name for target in every}:
            known = ", ".join(target.name for target in every)
            sys.exit(f"there is no target {', '.join(sorted(unknown))}; there are {known}")
        yield [target for target in every if not names or target.name in names]


def main() -> int:
    """Runs; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these (all)")
    parser.add_argument("--minutes", type=float, default=3, help="for all targets together (3)")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="the same again gives the same inputs")
    parser.add_argument("--input", type=Path, help="only this file, for each target")
    options = parser.parse_args()
    signal.signal(signal.SIGPROF, interrupt)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    logging.getLogger("netwatchd").setLevel(logging.CRITICAL)
    logging.getLogger("netwatchd.broadcast.server").setLevel(logging.ERROR)  # what a client's thread failed of
    found = 0
    with targets(options.targets) as chosen:
        if options.input:
            for target in chosen:
                print(f"{target.name}: {attempt(target, options.input.read_bytes())}")
            return 0
        print(f"{options.minutes} minutes, --seed {options.seed}", flush=True)
        for target in chosen:
            campaign = Campaign(target, options.seed)
            campaign.examples += recorded(target)
            campaign.run(options.minutes * 60 / len(chosen))
            found += len(campaign.findings)
    print(f"{found} findings" if found else "nothing was found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
