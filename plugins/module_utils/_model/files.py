# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Reading files that somebody else chose: regular files only, and never more than a bound."""

from __future__ import annotations

import errno
import os
import stat


class OddFile(Exception):
    """A file that is not read, because of what it is and not because of rights. The message follows its name: "is …"."""


def read_regular(path: str, most: int) -> bytes:
    """The octets of a regular file. Raises OSError, or OddFile for one that is not regular (a FIFO blocks whoever opens it,
    /dev/zero never ends) or has more than `most` octets."""
    data = read_beginning(path, most + 1)
    if len(data) > most:
        raise OddFile(f"too large: it has more than {most // 1_000_000} MB")
    return data


def read_beginning(path: str, most: int) -> bytes:
    """The first octets of a regular file. Raises OSError or OddFile."""
    # O_NONBLOCK: opening a FIFO that nobody writes to returns at once. It has no effect on regular files.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise OddFile("not a regular file")
        # Piece by piece: the size that the file system tells may be another by now, and a large read is allocated in advance.
        parts: list[bytes] = []
        left = most
        while left > 0:
            part = os.read(handle, min(left, 1 << 20))
            if not part:
                break
            parts.append(part)
            left -= len(part)
    finally:
        os.close(handle)
    return b"".join(parts)
