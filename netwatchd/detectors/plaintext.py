"""Protocols that send a password as plain text, where one is in use: whoever is on the way can read it.

Flows show a port, and not what is said. So only those are here whose port says enough; not

* HTTP, which asks for a password by Basic now and then only, as flows do not show;
* SIP, VNC and MySQL, which send a digest, or encrypt it;
* SNMP, whose version 3 is on the same port, and which printers' drivers speak to all printers;
* LDAP and SMTP, where TLS begins on the same port more often than not.
"""

from netwatchd.addresses import address_text
from netwatchd.config import Plaintext as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.memory import Told
from netwatchd.detectors.naming import called_by_key, key_at
from netwatchd.detectors.sides import is_here
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
    1883: ("MQTT", "MQTT with TLS (port 8883)"),
    2323: ("telnet", "SSH"),
}
# Where TLS may begin after the greeting (STARTTLS, RFC 2595).
MAYBE = frozenset((110, 143))
# In a smart home everything speaks MQTT to a broker in the house, and often without a password. What matters is where
# strangers are on the way.
OUTSIDE_ONLY = frozenset((1883,))
# Packets from the originator, from which on more was said than a goodbye: SYN, ACK, ACK of the greeting, two commands,
# FIN, ACK. A monitor that looks whether the service is there sends five, or six where the greeting has two parts.
SAID = 7
# Or so many bytes beyond the headers of fewer packets: acknowledgements were saved, the network card has put packets
# together, or only SYN and FIN are captured.
SAID_BYTES = 8
# Of IP and TCP with time stamps (RFC 7323), and what the options of a SYN add.
_HEADERS4, _HEADERS6, _SYN = 52, 72, 8
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
        if flow.protocol != TCP or not flow.bytes_in or not _has_said(flow):
            return []
        if flow.dst_port in OUTSIDE_ONLY and is_here(self._home, flow.src_ip) and is_here(self._home, flow.dst_ip):
            return []
        server = f"{address_text(flow.dst_ip)}:{flow.dst_port}"
        client = key_at(self._home, flow.src_ip)
        if not self._told.tell(("plaintext", client, server), flow.end, int(self.settings.again * 1000)):
            return []
        name, better = PROTOCOLS[flow.dst_port]
        who = called_by_key(self._home, client)
        unless = ", unless it begins TLS (STARTTLS)" if flow.dst_port in MAYBE else ""
        owner = self._home.owner(flow.dst_ip)
        whom = server if owner is None else f"{called_by_key(self._home, owner)}, port {flow.dst_port}"
        return [
            threat(
                "plaintext", "info", flow.start, flow.end, device=client, target=server,
                description=f"{who} speaks {name} with {whom}, which sends passwords as plain text{unless}",
                recommendation=f"use {better} instead",
                evidence={"protocol": name, "bytes_out": flow.bytes_out, "bytes_in": flow.bytes_in},
            )
        ]  # fmt: skip


def _has_said(flow: Flow) -> bool:
    """Whether the client has said anything, rather than looked whether the service is there."""
    headers = _HEADERS6 if isinstance(flow.dst_ip, bytes) else _HEADERS4
    return flow.packets_out >= SAID or flow.bytes_out - headers * flow.packets_out - _SYN >= SAID_BYTES
