# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Whose MAC prefix it is, as far as the probing host knows: a first hint at which machine holds a pool's address.

A few prefixes that matter on a cluster's LAN are built in; more come from the lists that arp-scan, nmap, ieee-data or
hwdata install. Nothing is fetched.
"""

from __future__ import annotations

_BUILT_IN = {
    "00005e0001": "VRRP for IPv4 (virtual router {last})",
    "00005e0002": "VRRP for IPv6 (virtual router {last})",
    "00000c07ac": "HSRP (group {last})",
    "0007b400": "GLBP",
    "00155d": "Microsoft Hyper-V virtual machine",
    "001c14": "VMware virtual machine",
    "005056": "VMware virtual machine",
    "000c29": "VMware virtual machine",
    "000569": "VMware virtual machine",
    "00163e": "Xen or LXD virtual machine",
    "00a098": "NetApp, or bhyve virtual machine",
    "0242": "Docker or podman container (an old address of theirs)",
    "080027": "VirtualBox virtual machine",
    "525400": "QEMU or KVM virtual machine",
    "bc2411": "Proxmox virtual machine or container",
    "b827eb": "Raspberry Pi",
    "dca632": "Raspberry Pi",
    "e45f01": "Raspberry Pi",
    "d83add": "Raspberry Pi",
}

_LISTS = (
    "/usr/share/arp-scan/ieee-oui.txt",
    "/usr/share/nmap/nmap-mac-prefixes",
    "/usr/share/ieee-data/oui.txt",
    "/var/lib/ieee-data/oui.txt",
    "/usr/share/hwdata/oui.txt",
    "/usr/share/misc/oui.txt",
)


def _from_lists(prefix: str) -> str:
    """The name that the first readable list has for six hexadecimal digits; empty when none has one."""
    for path in _LISTS:
        try:
            with open(path, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    first, _blank, rest = line.strip().partition("\t" if "\t" in line else " ")
                    digits = first.strip().replace("-", "").replace(":", "").split(" ")[0]
                    if digits.upper() == prefix.upper() and rest.strip():
                        return rest.replace("(hex)", "").replace("(base 16)", "").strip()
        except OSError:
            continue
    return ""


def vendor_of(mac: bytes) -> str:
    """A name for the MAC's prefix; ``locally administered …`` where the MAC says that nobody registered it; empty when
    unknown."""
    text = mac.hex()
    for length in (10, 8, 6, 4):
        known = _BUILT_IN.get(text[:length])
        if known is not None:
            return known.format(last=mac[5])
    if mac[0] & 2:
        return "locally administered (virtual, or a random one)"
    return _from_lists(text[:6])
