"""Whatever is seen of a file while it is written, who gives an address back has left once, and nobody else."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from leases_kit import HOUR, NOON, Watcher, isc, line, replace, write

# What happens, to which client, and how much of the file is seen meanwhile, in percent.
STEPS = st.lists(
    st.tuples(st.sampled_from(["give", "take", "nothing"]), st.integers(1, 5), st.integers(0, 100)), max_size=10
)


def mac(number: int) -> str:
    return f"a4:83:e7:00:00:0{number}"


class History:
    """What a server did, and what was told of it."""

    def __init__(self) -> None:
        self.ends = {1: NOON + HOUR, 2: NOON + HOUR}
        self.came: list[str] = []
        self.left: list[str] = []
        self.told: list[tuple[str, str]] = []

    def step(self, what: str, number: int, now: int) -> None:
        """The client gets a lease, or another hour; or it gives it back. The last one keeps it."""
        if what == "give":
            self.ends[number] = now + HOUR
            self.came.append(mac(number))
        elif what == "take" and number in self.ends and len(self.ends) > 1:
            del self.ends[number]
            self.left.append(mac(number))

    def note(self, told: list[tuple[str, ...]]) -> None:
        """Keeps what was told."""
        self.told += [(each[0], each[1]) for each in told]

    def check(self) -> None:
        """Each step was told once, and nothing else; names may be told at any time."""
        assert [who for who, what in self.told if what == "left"] == self.left
        assert [who for who, what in self.told if what == "alive"] == self.came


@settings(max_examples=25)
@given(steps=STEPS)
def test_of_dnsmasqs_file(steps: list[tuple[str, int, int]]) -> None:
    history = History()
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "leases"

        def text() -> str:
            return "".join(line(mac(n), f"192.168.1.{n}", f"h{n}", end=end) for n, end in history.ends.items())

        write(path, text())
        watcher = Watcher(path)
        watcher.settle()
        for what, number, part in steps:
            history.step(what, number, watcher.time)
            write(path, text()[: len(text()) * part // 100])
            history.note(watcher.look(seconds=0.01))
            write(path, text())
            history.note(watcher.look())
            history.note(watcher.settle())
    history.check()


@settings(max_examples=25)
@given(steps=STEPS)
def test_of_isc_dhcpds_file(steps: list[tuple[str, int, int]]) -> None:
    history = History()
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "leases"
        path.write_text("".join(isc(mac(n), f"10.0.0.{n}", NOON) for n in history.ends))
        watcher = Watcher(path)
        watcher.settle()
        for what, number, part in steps:
            given_back = number in history.ends
            history.step(what, number, watcher.time)
            if number not in history.ends:
                if not given_back:
                    continue
                block = isc(mac(number), f"10.0.0.{number}", watcher.time - 1000, "free", end=watcher.time)
            else:
                block = isc(mac(number), f"10.0.0.{number}", history.ends[number] - HOUR)
            cut = len(block) * part // 100
            with path.open("a") as file:
                file.write(block[:cut])
                file.flush()
                history.note(watcher.look())
                file.write(block[cut:])
            history.note(watcher.look())
            if part > 80:  # the server cleans up
                replace(path, "".join(isc(mac(n), f"10.0.0.{n}", end - HOUR) for n, end in history.ends.items()))
                history.note(watcher.settle())
    history.check()
