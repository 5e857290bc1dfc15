"""A reverse proxy below a path, as nginx is one, of which connections can be cut off."""

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Passes on what comes below `prefix` to a port here, whatever its names; anything else is 404."""

    def __init__(self, port: int, prefix: str = "/", headers: str = "", rename: str = "") -> None:
        self.prefix = prefix
        self.is_open = True  # else, whoever comes is turned away at once
        self._upstream = port
        self._headers = headers  # lines that are added to each request
        self._rename = rename  # the Host that it asks for, instead of what the browser says
        self._open: set[socket.socket] = set()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]

    def cut(self) -> None:
        """Breaks off all connections, and takes none until `is_open` is true again."""
        self.is_open = False
        for peer in list(self._open):
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def serve(self, client: socket.socket) -> None:
        """Serves one connection: one request, or one WebSocket."""
        if not self.is_open:
            return
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := client.recv(65536)):
                return
            head += data
        method, path, rest = head.decode("latin-1").split(" ", 2)
        if not path.startswith(self.prefix):
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        version, lines = rest.split("\r\n", 1)
        if "upgrade: websocket" not in lines.lower():
            lines = f"Connection: close\r\n{lines.replace('Connection: keep-alive', 'X-Was: kept')}"
        if self._rename:
            lines = re.sub(r"(?im)^host: [^\r]*", f"Host: {self._rename}", lines)
        request = f"{method} /{path.removeprefix(self.prefix)} {version}\r\n{self._headers}{lines}"
        with socket.create_connection(("127.0.0.1", self._upstream)) as server:
            server.sendall(request.encode("latin-1"))
            self._open |= {client, server}
            other = threading.Thread(target=_pour, args=(client, server), daemon=True)
            other.start()
            _pour(server, client)
            other.join()
            self._open -= {client, server}


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(port: int, prefix: str = "/", headers: str = "", rename: str = "") -> Iterator[Proxy]:
    """A proxy before a port."""
    proxy = Proxy(port, prefix, headers, rename)
    threading.Thread(target=proxy.server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.cut()
        proxy.server.shutdown()
        proxy.server.server_close()
