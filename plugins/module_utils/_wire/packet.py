# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""A raw socket for one protocol on one interface.

Recipe, in this order so that no unwanted frame slips in: socket with protocol 0, filter, then bind to interface and
protocol. Kernel time stamps, an enlarged queue, and the kernel's own count of frames it had to drop, so that "no
answer" is never our own loss. See packet(7), socket(7).
"""

from __future__ import annotations

import array
import errno
import socket
import struct

from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import PermissionMissing, WireError
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.sweep import Port

_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_STATISTICS = 1, 6
_PACKET_MR_ALLMULTI = 2
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_QUEUE_OCTETS = 4 << 20
_CONTROL_SPACE = 64

HOW_TO_GET_RIGHTS = (
    "Asking on the wire needs the capability CAP_NET_RAW on the host that probes: run the task with become true, or "
    "in a container with NET_RAW added (podman or docker: --cap-add=NET_RAW; a pod: securityContext.capabilities.add "
    "[NET_RAW]), or delegate it to a LAN host of group metallb_probes where that is possible"
)


class PacketPort(Port):
    """Sends and receives whole Ethernet frames of one ethertype on one interface."""

    def __init__(
        self, name: str, index: int, ethertype: int, program: list[tuple[int, int, int, int]], multicast: bool
    ) -> None:
        """Open the socket.

        :param program: classic BPF instructions
        :param multicast: also receive all multicast (unsolicited advertisements go to ff02::1, which hosts always
            receive; other groups not)
        :raises PermissionMissing: no CAP_NET_RAW
        :raises WireError: ``platform`` (no AF_PACKET), ``interface`` (vanished or down)
        """
        self.name = name
        self.send_errors = 0
        self._drops = 0
        family = getattr(socket, "AF_PACKET", None)
        if family is None:
            raise PermissionMissing("this system has no packet sockets (it is not Linux). " + HOW_TO_GET_RIGHTS + ".")
        try:
            self._socket = socket.socket(family, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise PermissionMissing(
                f"raw sockets are forbidden to this process ({error.strerror}). {HOW_TO_GET_RIGHTS}."
            ) from error
        except OSError as error:
            if error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
                raise PermissionMissing(
                    f"the kernel or a sandbox does not offer packet sockets ({error.strerror}). {HOW_TO_GET_RIGHTS}."
                ) from error
            raise WireError("platform", f"a packet socket cannot be opened: {error.strerror}") from error
        try:
            code = array.array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
            self._socket.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), code.buffer_info()[0])
            )
            for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
                try:
                    self._socket.setsockopt(socket.SOL_SOCKET, option, _QUEUE_OCTETS)
                    break
                except OSError:
                    continue
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            except OSError:
                pass  # times are then taken when the frame is read
            self._socket.bind((name, ethertype))
            if multicast:
                membership = struct.pack("=IHH8s", index, _PACKET_MR_ALLMULTI, 0, b"")
                self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        except OSError as error:
            self._socket.close()
            raise WireError(
                "interface", f"interface {name} cannot be listened on: {error.strerror}. See: ip -d link show {name}"
            ) from error
        self._socket.setblocking(False)
        self._recvmsg = self._socket.recvmsg

    def send(self, frame: bytes) -> bool:
        """Put one frame on the wire; False when the local queue is full (try again later).

        :raises WireError: ``interface`` when it went down or vanished
        """
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM):
                self.send_errors += 1
                return False
            raise WireError(
                "interface",
                f"interface {self.name} stopped sending in the middle of the probe: {error.strerror}. See: ip link "
                f"show {self.name}",
            ) from error
        return True

    def receive(self) -> tuple[bytes, int] | None:
        """The next frame and the wall-clock time (ns) at which the kernel got it, 0 when it doesn't say; None: none is
        waiting."""
        try:
            frame, control, _flags, _address = self._recvmsg(2048, _CONTROL_SPACE)
        except BlockingIOError:
            return None
        except InterruptedError:
            return None
        except OSError as error:
            if error.errno == errno.ENETDOWN:
                raise WireError("interface", f"interface {self.name} went down in the middle of the probe.") from error
            raise
        stamp = 0
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("@qq" if len(data) == 16 else "@ll", data)
                stamp = seconds * 1_000_000_000 + nanoseconds
        return frame, stamp

    def drops(self) -> int:
        """Frames for us that the kernel had to drop since the port was opened."""
        try:
            data = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        except OSError:
            return self._drops
        self._drops += int(struct.unpack("=II", data)[1])  # reading clears the kernel's counter
        return self._drops

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
