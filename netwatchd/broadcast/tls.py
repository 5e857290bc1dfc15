"""TLS without blocking: the engine works on two memory buffers, and the socket below stays a plain one.

An SSLSocket's send takes no flags, so that it cannot be non-blocking for the writer alone; and OpenSSL forbids that
one thread reads while another writes. So both go through `lock`, which is the outbox's, and the only thing that ever
waits, recv() on the raw socket, waits without it.
"""

import contextlib
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from netwatchd.broadcast.patience import Verdict, verdict_of
from netwatchd.broadcast.transport import LARGE_READ, Buffer, Transport

RECORD = 16384  # the most that one TLS record carries (RFC 8446 section 5.1)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The server's side of TLS 1.2 and newer; raises OSError that says which file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise OSError(f"cannot use the TLS certificate {certificate} with the key {key}: {error}") from error
    return context


class TlsTransport(Transport):
    """A TLS connection over a plain socket."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, lock: Lock) -> None:
        super().__init__(connection)
        self._lock = lock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._cipher = memoryview(b"")  # encrypted, but not taken by the kernel yet

    def handshake(self, deadline: float) -> None:
        """The TLS handshake; raises OSError (ssl.SSLError is one) where it fails or takes too long."""
        while True:
            try:
                self._engine.do_handshake()
            except ssl.SSLWantReadError:
                self._send_outgoing(deadline)
                self._arm(deadline)
                data = self._receive_raw()
                if not data:
                    raise ConnectionResetError("the client left during the TLS handshake") from None
                self._incoming.write(data)
            else:
                self._send_outgoing(deadline)
                return

    def _send_outgoing(self, deadline: float) -> None:
        if data := self._outgoing.read():
            super().send_all(data, deadline)

    def send(self, buffers: Sequence[Buffer]) -> int:
        """Encrypts and sends what the kernel takes; returns how many plain bytes have gone into the engine.

        At most one record at a time, and none while the last one still waits: what is encrypted cannot be taken back.
        """
        self.flush()
        written = self._engine.write(self._record(buffers))
        # The record is part of the stream now, whatever becomes of it: an error shows again at the next flush.
        with contextlib.suppress(OSError):
            self.flush()
        return written

    @staticmethod
    def _record(buffers: Sequence[Buffer]) -> Buffer:
        """As many bytes as one record carries."""
        if len(buffers[0]) >= RECORD:
            return memoryview(buffers[0])[:RECORD]
        parts: list[Buffer] = []
        size = 0
        for buffer in buffers:
            parts.append(buffer)
            size += len(buffer)
            if size >= RECORD:
                break
        return memoryview(b"".join(parts))[:RECORD]

    def flush(self) -> None:
        """Sends what is encrypted; raises OSError while the kernel does not take it all."""
        if not self._cipher and self._outgoing.pending:
            self._cipher = memoryview(self._outgoing.read())
        while self._cipher:
            sent = self.socket.send(self._cipher, socket.MSG_DONTWAIT)
            self.taken += sent
            self._cipher = self._cipher[sent:]

    @property
    def unsent(self) -> int:
        """Encrypted bytes that the kernel has not taken."""
        return len(self._cipher) + self._outgoing.pending

    def farewell(self) -> Verdict:
        """Sends close_notify (RFC 8446 section 6.1), which tells the peer that nothing was cut off."""
        with contextlib.suppress(ssl.SSLError):  # it wants the peer's close_notify too, for which nobody waits
            self._engine.unwrap()
        try:
            self.flush()
        except OSError as error:
            return verdict_of(error)
        return Verdict.DONE

    def receive(self, deadline: float | None = None) -> bytes:
        """Waits for bytes; b"" at the end of the stream. What TLS itself has to answer goes out on the way."""
        while True:
            with self._lock:
                plain = self._decrypted()
            if plain is not None:
                return plain
            data = super().receive(deadline)  # anew for each piece of a record, which may come byte by byte
            if not data:
                return b""
            with self._lock:
                self._incoming.write(data)

    def _decrypted(self) -> bytes | None:
        """Plain bytes; b"" at the end that the peer announced; None while more must arrive first."""
        try:
            return self._engine.read(LARGE_READ)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLWantReadError:
            self._answer()
            return None

    def _answer(self) -> None:
        """Sends what reading has made OpenSSL say, such as a key update; what does not go now goes with the next."""
        try:
            self.flush()
        except OSError as error:
            if verdict_of(error) is Verdict.DROP:
                raise

    def send_all(self, data: bytes, deadline: float) -> None:
        """Sends everything by the deadline; only during the handshake."""
        self._engine.write(data)
        self._send_outgoing(deadline)
