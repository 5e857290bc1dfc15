"""Services that ask for a password, and what a dialogue looks like in which it was wrong.

A failed login is short, and much the same each time: the greeting, the exchange of keys where there is one, a few
lines. Who gets in does something, and that has bytes. The limits are payload, as counted without headers, and wide:
banners and certificates differ from server to server. They are rather too wide than too narrow, because it is the
likeness of many dialogues that counts, not one of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from netwatchd.events import Flow


class Service(NamedTuple):
    """How a failed login looks at a service, and how many of them are too many."""

    name: str
    said: int  # bytes from the client, at least: less is a look at the port, or at the greeting
    sent: int  # bytes from the client, at most
    answered: int  # bytes from the server, at most: beyond that it looks like a success
    patience: int  # milliseconds, after which the server gives up or somebody is in
    within: int  # milliseconds in which as many as `local` are too many of one client here
    local: int  # failed logins of one client here
    remote: int  # of one from elsewhere, within `WITHIN_REMOTE`
    burst: int  # connections that begin within BURST_WITHIN, of which nothing else is known; 0: no number says anything
    waits: bool = (
        False  # jobs log in there, too: a row of tries must show that refusals wait, or come too fast for jobs
    )


# 2 minutes: LoginGraceTime of OpenSSH. 4000 bytes from an SSH server: what it takes to exchange keys and to refuse six
# passwords is below that, with post-quantum keys as well (Zeek's ssh script drew the line there, too).
_SSH = Service("SSH", 400, 8_000, 4_000, 120_000, 120_000, 10, 10, 30, True)
# Three lines each way, or a dozen where the greeting is long. Telnet echoes what is typed.
_TELNET = Service("telnet", 4, 600, 2_500, 120_000, 300_000, 10, 10, 30)
# A camera that stores a picture by FTP every few seconds has short dialogues, too: hence more of them.
_FTP = Service("FTP", 8, 600, 2_500, 120_000, 120_000, 20, 10, 40, True)
# TLS, then NTLM or Kerberos within CredSSP. A client makes two connections for one session.
_RDP = Service("RDP", 200, 8_000, 8_000, 60_000, 300_000, 12, 10, 30)
# Negotiation and session setup: three requests. Players look for their shares again and again.
_SMB = Service("SMB", 200, 3_000, 2_500, 60_000, 120_000, 20, 10, 40, True)
# Version, kind, 16 bytes of a challenge, their encryption, a refusal (RFC 6143). A picture is far more.
_VNC = Service("VNC", 12, 800, 1_000, 60_000, 300_000, 10, 10, 30)
# A web application may connect for each of its pages, so the count is high and connections alone say nothing.
_DATABASE = Service("a database", 30, 4_000, 2_500, 30_000, 120_000, 40, 20, 0, True)
# Phones with several accounts look for mail at the same server, each with a short dialogue with TLS.
_MAIL = Service("mail", 8, 3_000, 7_000, 60_000, 120_000, 40, 40, 0, True)
# Flows show neither the page nor the answer. What polls a page does so once or twice a second; who tries passwords or
# names of pages does it as fast as the server can.
WEB = Service("HTTP", 60, 3_000, 3_500, 30_000, 20_000, 100, 100, 0)

SERVICES: dict[int, Service] = {
    22: _SSH, 2222: _SSH,
    23: _TELNET, 2323: _TELNET,
    21: _FTP,
    3389: _RDP,
    139: _SMB, 445: _SMB,
    5900: _VNC, 5901: _VNC, 5902: _VNC,
    1433: _DATABASE._replace(name="SQL Server"), 3306: _DATABASE._replace(name="MySQL"),
    5432: _DATABASE._replace(name="PostgreSQL"),
    110: _MAIL._replace(name="POP3"), 995: _MAIL._replace(name="POP3"),
    143: _MAIL._replace(name="IMAP"), 993: _MAIL._replace(name="IMAP"),
    465: _MAIL._replace(name="SMTP submission"), 587: _MAIL._replace(name="SMTP submission"),
    80: WEB, 5000: WEB, 8000: WEB, 8080: WEB, 8081: WEB, 8888: WEB,
}  # fmt: skip

WITHIN_REMOTE = 600_000  # milliseconds: who tries from elsewhere, tries slowly; nobody else has a reason to
BURST_WITHIN = 10_000
# Milliseconds, for as many as make a burst: faster than this no server checks passwords, and it is a flood. With 16
# at once, and a refusal that takes no time, tools reach a hundred a second.
BURST_LEAST = 300
# How much the longest answer may be above the shortest: one connection may hold one try or several.
ALIKE = 1.5
ALIKE_BYTES = 200

# Packets from the client: SYN, ACK, ACK of the greeting, FIN, ACK. More than that is a dialogue; where fewer are
# counted (the network card has put them together, or only SYN and FIN are captured), the bytes are beyond doubt.
LOOKED = 5

# A server lets him wait whose password was wrong (PAM: 2 s, give or take one), while what a job does takes parts of a
# second, or a whole one on a small machine. Where it does not wait, a tool makes use of it, and tries at least so many
# a second.
REFUSED_AFTER = 1500  # milliseconds, of half of the dialogues at least
EAGER = 2
# Web servers here are also tested by how much they can bear, by hundreds or thousands a second of the same small page.
# Tools that try passwords wait for the answers to a few, and for what the server does to check them.
TESTING = 50  # a second

_HEADERS4, _HEADERS6, _OPTIONS = 40, 60, 12  # IP and TCP; time stamps (RFC 7323), which most systems put into each


class Talk(NamedTuple):
    """One dialogue, as much of it as counts."""

    start: int  # Unix ms
    port: int  # of the client
    sent: int  # payload
    answered: int  # payload
    lasted: int  # ms
    spoke: bool  # whether the client said anything


def talk_of(flow: Flow, service: Service) -> Talk:
    """The dialogue that a flow was. Options of TCP count as payload: whether there are any is not known."""
    headers = _HEADERS6 if isinstance(flow.dst_ip, bytes) else _HEADERS4
    # Conditions instead of max(), and fields by their places, which is faster: bytes_out, packets_out, the same in.
    packets = flow[8]
    sent, answered, lasted = flow[9] - headers * packets, flow[11] - headers * flow[10], flow[2] - flow[1]
    if sent < 0:
        sent = 0
    surely = sent - _OPTIONS * packets - _OPTIONS
    spoke = sent >= service.said and answered > 0 and (packets > LOOKED or surely >= service.said)
    return Talk(flow[1], flow[4], sent, answered if answered > 0 else 0, lasted if lasted > 0 else 0, spoke)


def looks_failed(talk: Talk, service: Service) -> bool:
    """Whether it is as short as a refusal."""
    return talk.answered <= service.answered and talk.sent <= service.sent and talk.lasted <= service.patience


def are_alike(talks: Sequence[Talk]) -> bool:
    """Whether they are much the same on both sides, and so many connections.

    Exporters tell of a long connection in pieces, which are alike, too.
    """
    for sizes in ([talk.answered for talk in talks], [talk.sent for talk in talks]):
        if max(sizes) > min(sizes) * ALIKE + ALIKE_BYTES:
            return False
    return len({talk.port for talk in talks}) * 2 > len(talks)


def is_load_test(talks: Sequence[Talk]) -> bool:
    """Whether they come faster than anybody tries passwords."""
    starts = [talk.start for talk in talks]
    return len(talks) * 1000 > TESTING * (max(starts) - min(starts))


def are_tries(talks: Sequence[Talk]) -> bool:
    """Whether they last as long as refusals do, or come faster than any job would."""
    lasted = sorted(talk.lasted for talk in talks)
    if lasted[len(lasted) // 2] >= REFUSED_AFTER:
        return True
    starts = [talk.start for talk in talks]
    return (len(talks) - 1) * 1000 >= EAGER * (max(starts) - min(starts))
