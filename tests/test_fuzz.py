"""Whatever bytes come, only what is declared happens. `make fuzz` does the same for longer."""

from collections.abc import Iterator
from random import Random

import pytest
from fuzz_announcements import ANNOUNCEMENTS
from fuzz_http import HTTP
from fuzz_lists import LISTS
from fuzz_live import live_targets
from fuzz_logs import LOGS
from fuzz_names import NAMES
from fuzz_netflow import NETFLOW
from fuzz_packets import PACKETS
from fuzz_sflow import SFLOW
from fuzz_targets import TARGETS, Target
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import damaged

EVERY = [*TARGETS, HTTP, NETFLOW, SFLOW, *PACKETS, *ANNOUNCEMENTS, *LOGS, *NAMES, *LISTS]
LIVE = ("live-http", "live-frames", "live-token", "live-wss", "live-tls", "live-daemon")


@pytest.fixture(scope="module")
def live() -> Iterator[dict[str, Target]]:
    """Running servers."""
    with live_targets() as targets:
        yield {target.name: target for target in targets}


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
def test_the_valid_examples_are_read(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
@settings(max_examples=60)
@given(data=st.binary(max_size=300))
def test_any_bytes_have_a_declared_outcome(target: Target, data: bytes) -> None:
    target.run(data)


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
@settings(max_examples=150)
@given(accidents=st.integers(0, 2**32 - 1))
def test_a_damaged_example_has_a_declared_outcome(target: Target, accidents: int) -> None:
    target.run(damaged(Random(accidents), target.seeds, target.words))


@pytest.mark.parametrize("name", LIVE)
@settings(max_examples=60)
@given(accidents=st.integers(0, 2**32 - 1))
def test_damage_over_a_socket_ends_one_connection_and_disturbs_no_other(
    live: dict[str, Target], name: str, accidents: int
) -> None:
    target = live[name]
    target.run(damaged(Random(accidents), target.seeds, target.words))
