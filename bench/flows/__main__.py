"""`python -m bench.flows`: runs the trials, prints the table, and writes all of it as JSON where asked to."""

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench.flows.collectors import COLLECTORS, Collector
from bench.flows.trials import Case, Trial, attempt, search

VERSIONS = {"v5": 5, "v9": 9, "ipfix": 10}
KINDS = ("unpaired", "paired")
OURS = "netwatchd"
AIM = 200_000  # flows a second
QUIET = 0.5  # load, of what else this machine does
COLUMNS = "{:<10} {:<6} {:<9} {:>9} {:>8} {:>8} {:>7} {:>8}  {}"


class Effort(NamedTuple):
    """What is spent on one collector with one version and kind."""

    seconds: float  # of sending, at each rate
    steps: int  # rates at most


class Plan(NamedTuple):
    """How much is tried."""

    ours: Effort
    theirs: Effort
    versions: tuple[str, ...]
    kinds: tuple[str, ...]


# With three steps the rates of the others are known to a factor of 1.4, which is enough to compare with.
FULL = Plan(Effort(6, 4), Effort(4, 3), tuple(VERSIONS), KINDS)
QUICK = Plan(Effort(3, 2), Effort(2, 1), ("v9",), KINDS)


class Result(NamedTuple):
    """All trials of one collector with one version and kind."""

    collector: str
    version: str
    kind: str
    trials: list[Trial]

    @property
    def best(self) -> Trial | None:
        """The one with the highest rate that was kept."""
        return max((trial for trial in self.trials if trial.kept), key=lambda trial: trial.rate, default=None)

    @property
    def too_much(self) -> Trial | None:
        """The one with the lowest rate that was not."""
        return min((trial for trial in self.trials if not trial.kept), key=lambda trial: trial.rate, default=None)


def main() -> None:
    """Runs the trials."""
    arguments = _arguments()
    plan = QUICK if arguments.quick else FULL
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the collector, one for the sender")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}; the collector on core {cores[-1]}")
    if (load := os.getloadavg()[0]) > QUIET:
        print(f"this machine is busy (load {load:.1f}): the figures will be worse than they could be")
    print(COLUMNS.format("", "", "", "flows/s", "CPU s/M", "RSS MB", "B/flow", "on disk", "what was too much"))
    begun = time.monotonic()
    results = [
        _result(Case(collector, VERSIONS[version], kind, 0, (cores[-1], cores[0])), version, plan, arguments)
        for version in arguments.versions or plan.versions
        for kind in arguments.kinds or plan.kinds
        for collector in _installed(arguments.only)
    ]
    _print_ratios(results)
    print(f"({time.monotonic() - begun:.0f} s)")
    if arguments.markdown:
        _print_markdown(results)
    if arguments.json:
        Path(arguments.json).write_text(_as_json(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.flows", description="Measures collectors on this machine.")
    parser.add_argument("--quick", action="store_true", help="about a minute: v9 only, few and short trials")
    parser.add_argument("--seconds", type=float, help="of sending, at each rate")
    parser.add_argument("--steps", type=int, help="rates to try at most")
    parser.add_argument("--rate", type=float, help="one rate only, in flows a second")
    parser.add_argument("--versions", nargs="+", choices=VERSIONS)
    parser.add_argument("--kinds", nargs="+", choices=KINDS)
    parser.add_argument("--only", nargs="+", choices=[collector.name for collector in COLLECTORS])
    parser.add_argument("--verbose", action="store_true", help="print every trial")
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/BENCHMARKS.md has it")
    parser.add_argument("--json", metavar="FILE", help="write all trials there")
    return parser.parse_args()


def _installed(only: list[str] | None) -> list[Collector]:
    """Those that can be measured; the others are named once."""
    wanted = [collector for collector in COLLECTORS if not only or collector.name in only]
    for collector in wanted:
        if (lacking := collector.missing()) and collector.name not in _named:
            _named.add(collector.name)
            print(f"left out: {lacking}")
    return [collector for collector in wanted if not collector.missing()]


_named: set[str] = set()


def _result(case: Case, version: str, plan: Plan, arguments: argparse.Namespace) -> Result:
    effort = plan.ours if case.collector.name == OURS else plan.theirs
    case = replace(case, seconds=arguments.seconds or effort.seconds)
    steps = 1 if arguments.rate else arguments.steps or effort.steps
    trials = []
    for trial in search(lambda rate: attempt(case, rate), arguments.rate or case.collector.first, steps):
        trials.append(trial)
        if arguments.verbose:
            print(f"    {trial}", flush=True)
    result = Result(case.collector.name, version, case.kind, trials)
    _print(result)
    return result


def _print(result: Result) -> None:
    best, worst = result.best, result.too_much
    figures = ["none", "", "", "", ""]
    if best:
        more = "" if worst else "+"  # nothing that was tried was too much
        figures = [f"{best.rate:,.0f}{more}", f"{best.cpu:.2f}", f"{best.memory:.0f}", f"{best.size:.1f}"]
        figures.append(f"{best.on_disk:.1f} s")
    print(COLUMNS.format(result.collector, result.version, result.kind, *figures, _excess(worst)), flush=True)


def _excess(trial: Trial | None) -> str:
    """What a rate that was too much came to."""
    if trial is None:
        return ""
    lost = f"{trial.lost / trial.sent * 100:.1f} % lost" if trial.lost else f"{trial.lag:.1f} s behind"
    wrong = f", {trial.lost_octets:,} bytes wrong" if trial.lost_octets and not trial.lost else ""
    return f"{trial.rate:,.0f}/s: {lost}{wrong}, {trial.dropped:,} datagrams by the kernel; it says: {trial.says:.100}"


def _print_ratios(results: list[Result]) -> None:
    """netwatchd against its aim and the others."""
    rates = {(r.collector, r.version, r.kind): r.best.rate for r in results if r.best}
    for (collector, version, kind), rate in rates.items():
        if collector != OURS:
            continue
        others = (name.name for name in COLLECTORS if name.name != collector)
        against = [(other, rates[other, version, kind]) for other in others if (other, version, kind) in rates]
        ratios = [f"{rate / AIM:.2f} of the aim", *(f"{rate / theirs:.2f} of {other}" for other, theirs in against)]
        print(f"netwatchd {version} {kind}: {', '.join(ratios)}")


def _print_markdown(results: list[Result]) -> None:
    print("\n| version | halves | collector | flows/s | CPU s a million | RSS MB | bytes a flow | on disk after |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    for result in results:
        if best := result.best:
            rate = f"{round(best.rate, -3):,.0f}"
            figures = (rate, f"{best.cpu:.2f}", f"{best.memory:.0f}", f"{best.size:.1f}", f"{best.on_disk:.1f} s")
            name = f"**{result.collector}**" if result.collector == OURS else result.collector
            print(f"| {result.version} | {result.kind} | {name} | {' | '.join(figures)} |")


def _as_json(results: list[Result]) -> str:
    series = [result._asdict() | {"trials": [asdict(trial) for trial in result.trials]} for result in results]
    return json.dumps({"machine": _machine(), "time": int(time.time()), "series": series}, indent=1)


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
    )


main()
