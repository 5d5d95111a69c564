# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What can go wrong on the wire before a frame is sent. Standard library only."""

from __future__ import annotations


class WireError(Exception):
    """A probe cannot be done.

    :ivar reason: a stable word for programs (``permission``, ``interface``, ``targets``, ``source``, ``platform`` …)
    :ivar str: one or two sentences for people: what, where, why, and the command or option that fixes it
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TargetError(WireError):
    """What was asked for cannot be read as addresses, or is too much."""

    def __init__(self, message: str) -> None:
        super().__init__("targets", message)


class PermissionMissing(WireError):
    """The operating system refuses raw sockets to this process."""

    def __init__(self, message: str) -> None:
        super().__init__("permission", message)
