# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one probe with the options of module l2_probe (JSON on standard input) and prints its result as JSON.

Run inside a network namespace; finds the collection in the checkout's tree, and needs nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".lab" / "collections"))

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import octets, probe, service, sweep, targets
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError

MS = 1_000_000


def main():
    wish = json.load(sys.stdin)
    if "checks" in wish:
        checks = [service.Check(**one) for one in wish["checks"]]
        print(json.dumps(service.check_all(checks, 64, wish.get("duration", 0))))
        return
    wanted = targets.parse_targets(wish["targets"], 70000)
    targets.parse_expected(wish.get("expected"), wanted)
    watch = wish.get("watch")
    request = probe.Request(
        wanted,
        targets.parse_nodes(wish.get("nodes")),
        interface=wish.get("interface", ""),
        source=wish.get("source", ""),
        settings=sweep.Settings(
            timeouts=tuple(number * MS for number in wish.get("timeout", (100, 150, 300))),
            window=wish.get("window", 250) * MS,
            ceiling=wish.get("ceiling", 0),
        ),
        unicast=wish.get("unicast", "auto"),
        canaries=[octets.to_address(text) for text in wish.get("canary", [])],
        conflict=wish.get("conflict", False),
        fallback=wish.get("fallback", "fail"),
        watch=probe.Watch(watch["ms"] * MS, watch.get("interval", 50) * MS, watch.get("until", "duration"))
        if watch
        else None,
    )
    try:
        result = probe.probe(request)
    except WireError as error:
        result = {"error": str(error), "reason": error.reason}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
