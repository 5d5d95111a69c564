# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scripted host: answers ARP and neighbour solicitations as it is told. Run inside a network namespace.

python responder.py '{"interface": "eth0", "addresses": ["192.168.7.203"], "delay_ms": 200, ...}'

Prints ``ready`` once it listens. Options: ``delay_ms``; ``drop_first`` n requests per address; ``broadcast`` replies;
``pad`` to 60 octets; ``mac`` to answer with; ``deaf_to_broadcast``; ``announce`` after that many ms (a request and a
reply); ``garbage`` frames sent before every answer. IPv6 answers are MetalLB's: from the link-local address, S=1, O=0,
only to solicitations with a source link-layer address.
"""

from __future__ import annotations

import heapq
import json
import os
import pathlib
import select
import socket
import struct
import sys
import time


def checksum(source, destination, message):
    data = source + destination + struct.pack("!II", len(message), 58) + message + b"\x00" * (len(message) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    wish = json.loads(sys.argv[1])
    name = wish["interface"]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((name, 3))
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    address_file = pathlib.Path(f"/sys/class/net/{name}/address")
    real = bytes.fromhex(address_file.read_text(encoding="ascii").strip().replace(":", ""))
    mac = bytes.fromhex(wish["mac"].replace(":", "")) if wish.get("mac") else real
    link_local = b"\xfe\x80" + b"\x00" * 6 + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
    own = {socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text) for text in wish["addresses"]}
    seen = {}
    waiting = []
    groups = {b"\x33\x33\xff" + address[13:] for address in own if len(address) == 16}
    if groups or wish.get("promiscuous"):
        index = socket.if_nametoindex(name)
        sock.setsockopt(263, 1, struct.pack("=IHH8s", index, 2, 0, b""))  # all multicast
    if wish.get("mac"):
        sock.setsockopt(263, 1, struct.pack("=IHH8s", socket.if_nametoindex(name), 1, 0, b""))  # promiscuous
    begun = time.monotonic()

    def put(when, frame):
        heapq.heappush(waiting, (when, len(seen) + len(waiting), frame))

    def arp(operation, target_mac, target, destination, address):
        frame = destination + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04" + struct.pack("!H", operation)
        frame += mac + address + target_mac + target
        return frame + b"\x00" * 18 if wish.get("pad") else frame

    if "announce" in wish:
        for address in own:
            if len(address) == 4:
                for operation in (1, 2):
                    frame = arp(operation, b"\xff" * 6, address, b"\xff" * 6, address)
                    put(begun + wish["announce"] / 1000, frame)
    os.write(1, b"ready\n")
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _writable, _other = select.select([sock], [], [], timeout)
        while waiting and waiting[0][0] <= time.monotonic():
            frame = heapq.heappop(waiting)[2]
            for _number in range(wish.get("garbage", 0)):
                sock.send(frame[:14] + os.urandom(46))
            sock.send(frame)
        if not readable:
            continue
        frame, (_name, _protocol, kind, _hardware, _source) = sock.recvfrom(2048)
        if kind == socket.PACKET_OUTGOING:
            continue
        group = frame[0] & 1
        if (not group and frame[:6] != mac) or (group and wish.get("deaf_to_broadcast")):
            continue
        answer = None
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x01" and frame[38:42] in own:
            key = frame[38:42]
            destination = b"\xff" * 6 if wish.get("broadcast") else frame[22:28]
            answer = arp(2, frame[22:28], frame[28:32], destination, key)
        elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135 and frame[62:78] in own:
            key = frame[62:78]
            if len(frame) >= 86 and frame[78] == 1 and any(frame[22:38]):
                body = b"\x40\x00\x00\x00" + key + b"\x02\x01" + mac
                total = checksum(link_local, frame[22:38], b"\x88\x00\x00\x00" + body)
                message = b"\x88\x00" + struct.pack("!H", total) + body
                header = b"\x60\x00\x00\x00" + struct.pack("!H", len(message)) + b"\x3a\xff"
                answer = frame[6:12] + mac + b"\x86\xdd" + header + link_local + frame[22:38] + message
        if answer is not None:
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > wish.get("drop_first", 0):
                put(time.monotonic() + wish.get("delay_ms", 0) / 1000, answer)


if __name__ == "__main__":
    main()
