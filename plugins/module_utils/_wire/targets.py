# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the user asked for, as addresses.

Accepted, each alone or in a list: an address, a range ``a-b``, a prefix ``a/n`` (all as MetalLB's pools write them), a
dict with ``address`` or ``addresses`` (and ``name``, ``node``), a pool or service as ``l2_info`` returns it (``elected`` is the node
then), or a Kubernetes object: an IPAddressPool (``spec.addresses``), a Service (``status.loadBalancer.ingress``), a Node
(``status.addresses``).
"""

from __future__ import annotations

from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import TargetError
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import to_address, to_mac

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without 8 ms of importing typing
if TYPE_CHECKING:
    from typing import Any


class Wanted:
    """One address to ask for. ``names`` say on whose behalf; ``expected`` is the node that should answer, or None."""

    __slots__ = ("address", "expected", "names")

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.names: list[str] = []
        self.expected: str | None = None


class Node:
    """One node: its addresses on the segment, and MACs that are known beforehand."""

    __slots__ = ("addresses", "macs", "name")

    def __init__(self, name: str, addresses: list[bytes], macs: list[bytes]) -> None:
        self.name = name
        self.addresses = addresses
        self.macs = macs


def _span(text: str) -> tuple[int, int, int]:
    """(first, last, octets per address) of an address, range or prefix."""
    text = text.strip()
    if "-" in text:
        low_text, _dash, high_text = text.partition("-")
        low, high = to_address(low_text), to_address(high_text)
        if low is None or high is None:
            raise TargetError(
                f"targets: {text!r} is no range of addresses. Write both ends in full, as MetalLB wants it: "
                "192.168.7.200-192.168.7.250"
            )
        if len(low) != len(high):
            raise TargetError(f"targets: the range {text!r} begins in one address family and ends in the other.")
        first, last = int.from_bytes(low, "big"), int.from_bytes(high, "big")
        if last < first:
            raise TargetError(f"targets: the range {text!r} ends before it begins; swap its ends.")
        return first, last, len(low)
    if "/" in text:
        network_text, _slash, length_text = text.partition("/")
        network = to_address(network_text)
        if network is None or not length_text.isdigit() or int(length_text) > len(network) * 8:
            raise TargetError(
                f"targets: {text!r} is no prefix of addresses. Write it like 192.168.7.0/24 or fd00:192:168:7::/120."
            )
        host_bits = len(network) * 8 - int(length_text)
        first = int.from_bytes(network, "big") >> host_bits << host_bits
        return first, first + (1 << host_bits) - 1, len(network)
    address = to_address(text)
    if address is None:
        raise TargetError(
            f"targets: {text!r} is neither an address (192.168.7.200), nor a range (192.168.7.200-192.168.7.250), "
            "nor a prefix (192.168.7.0/24). Names are not looked up, and an address must not carry a zone (%eth0)."
        )
    number = int.from_bytes(address, "big")
    return number, number, len(address)


def _label(item: dict[str, Any]) -> str:
    if item.get("name"):
        return str(item["name"])
    metadata = item.get("metadata")
    if isinstance(metadata, dict) and metadata.get("name"):
        path = "/".join(str(part) for part in (metadata.get("namespace"), metadata["name"]) if part)
        return f"{item['kind']} {path}" if item.get("kind") else path
    return ""


def _texts(item: dict[str, Any]) -> list[str]:
    """The addresses, ranges and prefixes that one dict names."""
    for key in ("address", "addresses"):
        if key in item:
            found = item[key]
            return [str(one) for one in found] if isinstance(found, (list, tuple)) else [str(found)]
    spec, status = item.get("spec"), item.get("status")
    if isinstance(spec, dict) and isinstance(spec.get("addresses"), list):
        return [str(one) for one in spec["addresses"]]
    if isinstance(status, dict):
        if isinstance(status.get("addresses"), list):
            return [
                str(one.get("address"))
                for one in status["addresses"]
                if to_address(str(one.get("address"))) is not None
            ]
        ingress = (status.get("loadBalancer") or {}).get("ingress") or []
        return [str(one["ip"]) for one in ingress if isinstance(one, dict) and one.get("ip")]
    raise TargetError(
        f"targets: {item!r} has no address. A dict needs the entry address or addresses, or is a Kubernetes object "
        "of kind IPAddressPool or Service."
    )


def parse_targets(raw: object, limit: int, exclude: object = None, allow_none: bool = False) -> list[Wanted]:
    """The addresses asked for, each once, in the order of their first mention.

    :param raw: as the module's option ``targets``: an entry or a list of them
    :param limit: how many addresses at most
    :param exclude: entries of the same forms, taken out again
    :raises TargetError: unreadable, none at all, or more than ``limit``
    """
    entries = list(raw) if isinstance(raw, (list, tuple)) else [raw]
    out: list[tuple[int, int, int]] = []
    for entry in exclude if isinstance(exclude, (list, tuple)) else []:
        out.extend(_span(text) for text in (_texts(entry) if isinstance(entry, dict) else [str(entry)]))
    wanted: dict[bytes, Wanted] = {}
    total = 0
    for entry in entries:
        if isinstance(entry, dict):
            texts, name, node = _texts(entry), _label(entry), entry.get("node") or entry.get("elected")
        elif isinstance(entry, (str, bytes)):
            texts = [part for part in str(entry).replace(",", " ").replace(" - ", "-").split() if part]
            name, node = "", None
        else:
            raise TargetError(f"targets: {entry!r} is neither text nor a dict with an address.")
        for text in texts:
            first, last, octets = _span(text)
            total += last - first + 1
            if total > limit:
                raise TargetError(
                    f"targets: with {text!r} there are {_count(total)} addresses to ask, more than max_targets "
                    f"({limit}). Each costs frames on everybody's network, and time. Name the pools or services "
                    "instead of whole networks, or raise max_targets."
                )
            for number in range(first, last + 1):
                address = number.to_bytes(octets, "big")
                if any(octets == width and low <= number <= high for low, high, width in out):
                    continue
                one = wanted.get(address)
                if one is None:
                    one = wanted[address] = Wanted(address)
                if name and name not in one.names:
                    one.names.append(name)
                if node:
                    one.expected = str(node)
    if not wanted and not allow_none:
        raise TargetError(
            "targets: there is no address to ask. Give at least one address, range or prefix, or objects that have "
            "some: a Service without status.loadBalancer.ingress has been given no address yet."
        )
    return list(wanted.values())


def _count(number: int) -> str:
    return str(number) if number < 10**9 else f"about 2^{number.bit_length() - 1}"


def parse_nodes(raw: object) -> list[Node]:
    """The nodes of the option ``nodes``.

    Accepted: a list of dicts (``name``, ``addresses`` or ``address``, ``macs`` or ``mac``) or of Kubernetes Nodes
    (their InternalIPs), or a dict of name to address, addresses, or such a dict.

    :raises TargetError: unreadable
    """
    entries: list[dict[str, Any]] = []
    if isinstance(raw, dict):
        for name, content in raw.items():
            if isinstance(content, dict):
                entries.append({**content, "name": name})
            else:
                entries.append({"name": name, "addresses": content})
    elif isinstance(raw, (list, tuple)):
        for entry in raw:
            if not isinstance(entry, dict):
                raise TargetError(f"nodes: {entry!r} is no node. Write a dict with name and addresses for each.")
            entries.append(entry)
    elif raw is not None:
        raise TargetError("nodes: write a list of dicts with name and addresses, or a dict of name to addresses.")
    return [_node(entry) for entry in entries]


def _node(entry: dict[str, Any]) -> Node:
    metadata = entry.get("metadata")
    name = str(entry.get("name") or (metadata.get("name") if isinstance(metadata, dict) else "") or "")
    if not name:
        raise TargetError(f"nodes: {entry!r} has no name.")
    status = entry.get("status")
    texts: list[Any]
    if isinstance(status, dict) and isinstance(status.get("addresses"), list):
        texts = [one.get("address") for one in status["addresses"] if one.get("type") == "InternalIP"]
    else:
        texts = _listed(entry, "addresses") or _listed(entry, "address")
    addresses = []
    for text in texts:
        if isinstance(text, dict):  # as status.addresses has them
            if text.get("type", "InternalIP") != "InternalIP":
                continue
            text = text.get("address")
        address = to_address(str(text))
        if address is None:
            raise TargetError(f"nodes: {text!r} of node {name} is no address.")
        addresses.append(address)
    macs = []
    for text in _listed(entry, "macs") or _listed(entry, "mac"):
        mac = to_mac(str(text))
        if mac is None:
            raise TargetError(f"nodes: {text!r} of node {name} is no MAC; write it like 52:54:00:12:34:56.")
        macs.append(mac)
    return Node(name, addresses, macs)


def _listed(entry: dict[str, Any], key: str) -> list[Any]:
    found = entry.get(key)
    if found is None or found == "":
        return []
    return list(found) if isinstance(found, (list, tuple)) else [found]


def parse_expected(raw: object, wanted: list[Wanted]) -> None:
    """Fill in ``expected`` of each address from a dict of address (or range, or prefix) to node name.

    :raises TargetError: unreadable
    """
    if raw is None:
        return
    if not isinstance(raw, dict):
        raise TargetError("expected: write a dict of address to node name.")
    by_address = {one.address: one for one in wanted}
    for text, node in raw.items():
        first, last, octets = _span(str(text))
        if first == last:
            one = by_address.get(first.to_bytes(octets, "big"))
            if one is not None:
                one.expected = str(node) if node else None
            continue
        for address, one in by_address.items():
            if len(address) == octets and first <= int.from_bytes(address, "big") <= last:
                one.expected = str(node) if node else None


def check_source(text: str, own: dict[bytes, Any], wanted: list[Wanted]) -> bytes:
    """The octets of the option ``source``.

    :param own: the addresses of this host
    :raises TargetError: no address, not this host's own (other hosts would learn a wrong MAC for it), or one that is
        asked for
    """
    address = to_address(text)
    if address is None:
        raise TargetError(f"source: {text!r} is no address.")
    if not any(address):
        return address
    if address not in own:
        raise TargetError(
            f"source: {text} is no address of this host. Who asks with somebody else's address makes the whole "
            "segment send that host's traffic here, so it is refused. Leave source out, or use 0.0.0.0 to ask "
            "without one."
        )
    if any(one.address == address for one in wanted):
        raise TargetError(
            f"source: {text} is also one of the addresses asked for. A request from the address it asks for is an "
            "announcement, which would take the address over, so it is refused. Use another source, or 0.0.0.0."
        )
    return address
