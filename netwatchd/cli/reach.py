"""How the running daemon is reached: its address, its token, its TLS; and what it answers to a plain request."""

import http.client
import json
import ssl
from contextlib import closing
from typing import Any, NamedTuple

from netwatchd import config
from netwatchd.cli.answer import Unanswered

TIMEOUT = 5.0  # seconds for the daemon's answer


class Place(NamedTuple):
    """Where a daemon listens, and how it is spoken to."""

    host: str
    port: int
    token: str
    tls: ssl.SSLContext | None = None  # None: no TLS is spoken
    path: str = "/ws"  # of the WebSocket

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    @property
    def authority(self) -> str:
        """Host and port as a request names them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers by which a request shows the token."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def reached(websocket: config.Websocket) -> Place:
    """The daemon of these settings, from this machine; raises Unanswered where its certificate cannot be read."""
    try:
        return Place(host_of(websocket), websocket.port, websocket.token, tls_of(websocket))
    except OSError as error:
        raise silent(place_of(websocket), error) from error


def host_of(websocket: config.Websocket) -> str:
    """The address at which the daemon of these settings can be reached from this machine."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be asked at loopback, not bound
    return everywhere.get(websocket.host, websocket.host)


def place_of(websocket: config.Websocket) -> str:
    """The same, with the port, for people."""
    return f"{host_of(websocket)} port {websocket.port}"


def tls_of(websocket: config.Websocket) -> ssl.SSLContext | None:
    """The client's side of TLS, None where none is spoken; raises OSError where the certificate cannot be read."""
    if not websocket.tls_certificate:
        return None
    # The certificate is the configured one, whatever name it was made for.
    context = ssl.create_default_context(cafile=str(websocket.tls_certificate))
    context.check_hostname = False
    return context


def ask(settings: config.Config, path: str) -> dict[str, Any]:
    """What the daemon answers to GET `path` on its WebSocket port; raises Unanswered where none does."""
    place = reached(settings.websocket)
    where = str(place)
    try:
        with closing(_connection(place)) as connection:
            connection.request("GET", path, headers=place.headers)
            response = connection.getresponse()
            body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise silent(where, error) from error
    if response.status != http.client.OK:
        raise refused(where, response.status, body)
    try:
        answer: dict[str, Any] = json.loads(body)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or "running" not in answer:
        raise Unanswered(f"what answers at {where} is not netwatchd")
    return answer


def silent(where: str, error: Exception) -> Unanswered:
    """The sentence for a daemon that cannot be reached."""
    return Unanswered(f"netwatchd does not answer at {where}: {error} (does it run, with this config?)")


def refused(where: str, status: int, body: bytes) -> Unanswered:
    """The sentence for a reply of HTTP that is not the one that was hoped for."""
    return Unanswered(f"netwatchd at {where} answers {status}: {body[:200].decode(errors='replace').strip()}")


def _connection(place: Place) -> http.client.HTTPConnection:
    if place.tls is None:
        return http.client.HTTPConnection(place.host, place.port, timeout=TIMEOUT)
    return http.client.HTTPSConnection(place.host, place.port, timeout=TIMEOUT, context=place.tls)
