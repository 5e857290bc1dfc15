"""Protocols that send a password as plain text, where one is in use: whoever is on the way can read it."""

from netwatchd.addresses import address_text
from netwatchd.config import Plaintext as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.memory import Told
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.telling import threat
from netwatchd.events import Flow

# TCP ports of protocols that ask for a password, and what to use instead. Some may be protected by STARTTLS, which
# begins as plain text on the same port, so only those are here of which most servers and clients do not use it at home.
PROTOCOLS = {
    21: ("FTP", "SFTP, or FTP with TLS (port 990)"),
    23: ("telnet", "SSH"),
    110: ("POP3", "POP3 with TLS (port 995)"),
    143: ("IMAP", "IMAP with TLS (port 993)"),
    512: ("rexec", "SSH"),
    513: ("rlogin", "SSH"),
    514: ("rsh", "SSH"),
}
# Packets from the originator, from which on more was said than a hello and a goodbye: SYN, ACK, two commands, FIN.
SAID = 5
TCP = 6


class Plaintext:
    """The detector `plaintext`."""

    wants = Wants.ANSWERED
    ports = frozenset(PROTOCOLS)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._told = Told()

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An answered flow to one of the ports."""
        if flow.protocol != TCP or flow.packets_out < SAID or not flow.bytes_in:
            return []
        server = f"{address_text(flow.dst_ip)}:{flow.dst_port}"
        client = self._home.owner(flow.src_ip) or address_text(flow.src_ip)
        if not self._told.tell(("plaintext", client, server), flow.end, int(self.settings.again * 1000)):
            return []
        name, better = PROTOCOLS[flow.dst_port]
        who = called_by_key(self._home, client)
        return [
            threat(
                "plaintext", "info", flow.start, flow.end, device=client, target=server,
                description=f"{who} speaks {name} with {server}, which sends passwords as plain text",
                recommendation=f"use {better} instead",
                evidence={"protocol": name, "bytes_out": flow.bytes_out, "bytes_in": flow.bytes_in},
            )
        ]  # fmt: skip
