# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A World behind the small API server, for modules that read a whole cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.l2ops.metallb.tests.unit.fake_api import KINDS, FakeApi
from ansible_collections.l2ops.metallb.tests.unit.world import World


@contextmanager
def served(world: World) -> Iterator[tuple[FakeApi, dict[str, Any]]]:
    """The server, and the arguments with which a module reaches it. Kinds that the server does not know are not there."""
    with FakeApi() as api:
        for plural, objects in world.snapshot().objects.items():
            for obj in objects if plural in KINDS else ():
                api.add(obj)
        for plural in world.missing:
            api.forbidden.add(("list", plural))
        yield api, {"host": api.url, "api_key": "token"}


def now(seconds_ago: float = 0) -> str:
    """A time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))
