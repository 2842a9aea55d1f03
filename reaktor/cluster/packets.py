"""Packets between two processes of one machine, over a pair of sockets. A packet may carry one open descriptor.

Linux has a kind of socket that keeps packets apart (SOCK_SEQPACKET). macOS has none, and the BSDs want each packet's
end marked. So everywhere else a packet is a frame on a byte stream: its length, then its bytes. Both kinds look the
same from outside, and the end that is handed to another process knows its kind by its socket.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
import sys
from abc import ABC, abstractmethod

MAX_PACKET_BYTES = 64 * 1024
FULL = {errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS, errno.EMFILE}
"""What send() raises when there is no room now, but will be."""
KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
# Where the kernel can't do it, the descriptor is marked a moment later.
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_LENGTH = struct.Struct("!I")


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets, non-blocking; PacketEnd.over() makes an end of each, in whatever process it is."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, KIND)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


class PacketEnd(ABC):
    """One end. send() and receive() wait, or raise BlockingIOError, as the socket is set."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @staticmethod
    def over(sock: socket.socket) -> PacketEnd:
        """The end that fits the socket, which belongs to it from now on."""
        return StreamEnd(sock) if sock.type == socket.SOCK_STREAM else SequencedEnd(sock)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    @property
    @abstractmethod
    def is_behind(self) -> bool:
        """Whether a part of a packet that was taken has not left yet: call flush() when the socket is writable."""

    @abstractmethod
    def flush(self) -> None:
        """Send on what is left of a packet, as far as it goes. Raises OSError when the other end is gone."""

    @abstractmethod
    def send(self, packet: bytes, descriptor: int | None = None) -> None:
        """Take a packet, and a copy of the descriptor with it.

        Raises OSError: one of FULL when there is no room now, another one when the other end is gone. Then nothing is
        taken.
        """

    @abstractmethod
    def receive(self) -> tuple[bytes, int | None]:
        """The next packet and its descriptor, which is the caller's to close. No bytes: the other end is gone.

        A packet that was sent with a descriptor comes without it when this process has no room for one more. Raises
        BlockingIOError when there is none yet, another OSError when the socket is broken.
        """

    def _send_some(self, data: bytes, descriptor: int | None) -> int:
        if descriptor is None:
            return self._sock.send(data)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
        return self._sock.sendmsg([data], [rights])

    def _receive_some(self, size: int) -> tuple[bytes, int | None]:
        found = array.array("i")
        try:
            data, ancillary, _, _ = self._sock.recvmsg(size, socket.CMSG_SPACE(found.itemsize), _CLOSE_ON_EXEC)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            # No room for the descriptor. Linux drops it without a word; the BSDs say so first, and keep the bytes.
            data, ancillary = self._sock.recv(size), []
        for level, kind, rights in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(rights[: len(rights) - len(rights) % found.itemsize])
        if not found:
            return data, None
        if not _CLOSE_ON_EXEC:
            os.set_inheritable(found[0], False)
        return data, found[0]


class SequencedEnd(PacketEnd):
    """The kernel keeps the packets apart."""

    is_behind = False

    def flush(self) -> None:
        """Nothing is ever left: a packet goes as a whole."""

    def send(self, packet: bytes, descriptor: int | None = None) -> None:
        self._send_some(packet, descriptor)

    def receive(self) -> tuple[bytes, int | None]:
        return self._receive_some(MAX_PACKET_BYTES)


class StreamEnd(PacketEnd):
    """Frames on a byte stream.

    A frame's descriptor goes with its first bytes, and no read asks for more than the rest of one frame. So the
    descriptor that a read brings belongs to the frame being read, also where the kernel has dropped one before.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._unsent = b""
        self._head = b""
        self._body = b""
        self._descriptor: int | None = None

    @property
    def is_behind(self) -> bool:
        return bool(self._unsent)

    def flush(self) -> None:
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except OSError as error:
                if error.errno in FULL:
                    return
                raise
            self._unsent = self._unsent[sent:]

    def send(self, packet: bytes, descriptor: int | None = None) -> None:
        self.flush()
        if self._unsent:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        frame = _LENGTH.pack(len(packet)) + packet
        self._unsent = frame[self._send_some(frame, descriptor) :]
        self.flush()

    def receive(self) -> tuple[bytes, int | None]:
        while len(self._head) < _LENGTH.size:
            if not self._read(_LENGTH.size - len(self._head), is_head=True):
                return b"", None
        (length,) = _LENGTH.unpack(self._head)
        if length > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(errno.ECONNABORTED, f"a packet of {length} bytes can't be")
        while len(self._body) < length:
            if not self._read(length - len(self._body), is_head=False):
                return b"", None
        packet, descriptor = self._body, self._descriptor
        self._head, self._body, self._descriptor = b"", b"", None
        return packet, descriptor

    def _read(self, size: int, *, is_head: bool) -> bool:
        data, descriptor = self._receive_some(size)
        self._descriptor = self._descriptor if descriptor is None else descriptor
        if is_head:
            self._head += data
        else:
            self._body += data
        return bool(data)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()
