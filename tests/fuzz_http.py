"""What reads requests: those for pages and answers, one behind the other, and the parameters of questions."""

import zlib
from collections.abc import Mapping
from random import Random
from typing import Any

import h11
from fuzz_targets import Target, in_short
from mutation import pieces

from netwatchd import config
from netwatchd.answers.asked import QUESTIONS, values_of
from netwatchd.broadcast import json_text
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import GUARDS, Refusal, Reply, Request, read_request, reply
from netwatchd.broadcast.offers import Answer, Offers
from netwatchd.broadcast.pages import Pages
from netwatchd.broadcast.protocol import Protocol
from netwatchd.counters import Counters

_SETTINGS = config.Websocket(token="correct-horse", allowed_origins=("https://home.example",))
_GUESSES = Guesses("correct-horse")
_NOBODY: Any = None  # joins here
_OFFERS = Offers(lambda command: None, lambda: {"up": True}, answer=lambda name, query: _answer(name, query))
_PROTOCOL = Protocol(_SETTINGS, _NOBODY, _OFFERS, Counters(), _GUESSES)
_PAGES = Pages(_SETTINGS, _OFFERS, _GUESSES)


def _answer(name: str, query: Mapping[str, str]) -> Answer:
    """What was asked for, as JSON."""
    return Answer(*json_text.zipped(json_text.pieces_of(values_of(name, query))), {"ETag": '"1"'})


def read_http(data: bytes) -> str:
    """Requests are answered with a page, taken for an upgrade, or refused; the answer is HTTP in any case."""
    coming = iter(pieces(Random(len(data)), data))
    origin = zlib.crc32(data)  # another one each time, so that wrong tokens are not taken for guessing
    told, rest = [], b""
    while len(told) < 4:
        try:
            request = read_request(lambda: next(coming, b""), rest)
            if request is None:
                return " ".join([*told, "left"])
            if request.wants_upgrade:
                _PROTOCOL.check(request, origin)
                return " ".join([*told, "upgrade"])
            answer, said = _PAGES.reply(request, origin), ""
        except Refusal as refusal:
            answer, said = reply(refusal.status, f"{refusal}\n", refusal.headers), in_short(refusal)
            request = None
        told.append(f"{_understood(answer, request)} {said}")
        if request is None or not request.goes_on:
            break
        rest = request.rest
        assert len(rest) < len(data)
    return " ".join(told)


def _understood(answer: Reply, request: Request | None) -> int:
    """The status of a reply, as a client reads it, that has the guards that all replies have."""
    method = request.method if request else "GET"
    whole = answer.head(10.0) + b"".join(answer.body)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(whole)
    response = client.next_event()
    assert isinstance(response, h11.Response), whole
    while isinstance(client.next_event(), h11.Data):
        pass
    assert client.their_state is h11.DONE, "it has just the length that it says"
    assert {name.decode().title() for name, _ in response.headers} >= {name.title() for name in GUARDS} - {
        "Content-Type"
    }
    assert len(whole) < 1500 or response.status_code == 200
    return response.status_code


_UPGRADE = (
    b"GET /ws?epoch=abc&since=17&topics=devices,flows&token=correct-horse HTTP/1.1\r\nHost: localhost:8765\r\n"
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: http://localhost:8765\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: other, netwatchd.token.correct-horse\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
REQUESTS = [
    _UPGRADE,
    b"GET /status HTTP/1.1\r\nHost: [::1]:8765\r\nAuthorization: Bearer correct-horse\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b'GET /app.js HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br;q=0.5\r\nIf-None-Match: W/"abc"\r\n\r\n'
    b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
    *(
        b"GET /api/%s?%s&token=correct-horse HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\r\n"
        % (name.encode(), b"&".join(b"%s=5" % key.encode() for key in question.parameters))
        for name, question in QUESTIONS.items()
    ),
    b"POST /ws HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]

HTTP = Target("http", REQUESTS, read_http, (b"\r\n", b": ", b"%", b"//[", b"?", b"&", b"\xff", b"Host: ", b"xn--"))
