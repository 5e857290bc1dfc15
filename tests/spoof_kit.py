"""A street in which somebody claims addresses, and those who are asked whose they are answer or not."""

from collections.abc import Container

from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, panel

from netwatchd.addresses import Address, parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.panel import Panel
from netwatchd.events import Claim, Threat
from netwatchd.observations import AddressAnswered, AddressShown, Observation

KALI, OTHER, PHONE = "3c:58:c2:de:ad:01", "3c:58:c2:00:00:02", "7a:3f:91:c2:5d:0e"
AT_KALI, AT_PHONE = "192.168.1.66", "192.168.1.30"
OUR_MAC, OURS = "02:00:00:00:00:01", "192.168.1.2"
VIRTUAL = "192.168.1.100"


class Asked:
    """This machine, which notes whom it is to ask."""

    def __init__(self) -> None:
        self.macs: Container[str] = {OUR_MAC}
        self.addresses: Container[Address] = {parse_address(OURS)}
        self.gateways: Container[Address] = ()
        self.dhcp_links: Container[str] = ()
        self.can = True
        self.questions: list[tuple[str, Address]] = []

    def ask(self, mac: str, address: Address, interface: str | None = None) -> bool:
        """Notes the question."""
        if self.can:
            self.questions.append((mac, address))
        return self.can


class Scene:
    """A street in which somebody claims addresses. `answers`: who answers at which address, when asked."""

    def __init__(self, answers: dict[str, set[str]] | None = None, street: Street | None = None) -> None:
        self.home = street or Street(
            device(LAPTOP, AT[LAPTOP], hostname="laptop"), device(NAS, AT[NAS], hostname="nas"),
            device(ROUTER, AT[ROUTER], kind="router"), device(KALI, AT_KALI, hostname="kali"),
        )  # fmt: skip
        self.machine = Asked()
        self.machine.can = answers is not None
        self.home.machine = self.machine
        self.answers = {parse_address(ip): macs for ip, macs in (answers or {}).items()}
        self.panel: Panel = panel(self.home)
        self.found: list[Finding] = []
        self.owners: dict[str, tuple[str, int]] = {}

    def shows(self, at: float, mac: str, ip: str) -> None:
        """By ARP, as the decoder tells it: everything, for all that it may leave out."""
        time = NOON + int(at * 1000)
        before, heard = self.owners.get(ip, (None, 0))
        self.owners[ip] = mac, time
        other = (before, heard) if before != mac else (None, 0)
        self.see(AddressShown(time, "capture", mac, parse_address(ip), *other))

    def moves(self, at: float, ip: str, to: str, before: str, source: str = "neighbours") -> None:
        """In the neighbour table."""
        time = NOON + int(at * 1000)
        self.found += self.panel.see_device(Claim(time, parse_address(ip), to, before, source))
        self._answer(time)

    def passes(self, at: float) -> None:
        """Time."""
        self.found += self.panel.tick(NOON + int(at * 1000))

    def see(self, observation: Observation) -> None:
        """Anything."""
        self.found += self.panel.observe([observation])
        self._answer(observation.time)

    def _answer(self, time: int) -> None:
        questions, self.machine.questions = self.machine.questions, []
        for mac, ip in questions:
            yes = mac in self.answers.get(ip, set())
            self.found += self.panel.observe([AddressAnswered(time + 2000 * (not yes), "asker", mac, ip, yes)])

    @property
    def threats(self) -> list[Threat]:
        """What was told."""
        return [each for each in self.found if isinstance(each, Threat)]

    @property
    def told(self) -> set[tuple[str, str | None, str | None]]:
        """Kind, device and target of each."""
        return {(each.kind, each.device, each.target) for each in self.threats}
