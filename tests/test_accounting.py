"""Promises about the kernel's settings for connection tracking."""

import logging
from pathlib import Path

import pytest

from netwatchd.sources.accounting import read_timeouts, switch_on


def test_sysctls_that_may_not_be_set_are_said_in_one_line_with_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "nf_conntrack_acct").write_text("0\n")
    (tmp_path / "nf_conntrack_timestamp").write_text("1\n")
    switch_on(allowed=False, directory=tmp_path)
    (record,) = caplog.records
    assert record.getMessage() == (
        "cannot set nf_conntrack_acct=1 (set_sysctls is off), nf_conntrack_events=1 (no such file or directory): "
        "flows have no packet and byte counts; ends of flows that are older than netwatchd are noticed late; "
        "set them with sysctl"
    )
    assert (tmp_path / "nf_conntrack_acct").read_text() == "0\n"


def test_nothing_is_said_of_sysctls_that_are_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("acct", "timestamp", "events"):
        (tmp_path / f"nf_conntrack_{name}").write_text("1\n")
    with caplog.at_level(logging.DEBUG):
        switch_on(allowed=False, directory=tmp_path)
    assert caplog.records == []


def test_timeouts_are_read_where_the_kernel_has_them(tmp_path: Path) -> None:
    (tmp_path / "nf_conntrack_udp_timeout").write_text("45\n")
    assert read_timeouts(["udp_timeout", "gre_timeout"], tmp_path) == {"udp_timeout": 45}
