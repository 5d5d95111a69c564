# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Talos' machined, where there is no Talos: it owns a node's exclude label and puts it back when it is gone.

What it does is what Talos v1.12 was seen to do: field manager machined, annotation talos.dev/owned-labels, back 0.1 to 0.2 s
after a removal. It is no Talos; that the real one behaves so is for the Talos lab to show.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time

LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
ANNOTATION = "talos.dev/owned-labels"
DELAY = 0.1


class Owner:
    """with Owner("worker-1") as owner: …; owner.removals counts how often somebody took the label off.

    manager is the name it writes by; without owned it does not say that the label is its own, as a stranger would.
    """

    def __init__(self, node: str, manager: str = "machined", owned: bool = True) -> None:
        from kubernetes import client, config

        api = client.ApiClient(configuration=_configuration(client, config))
        self._core = client.CoreV1Api(api)
        self.node, self.manager, self.owned = node, manager, owned
        self.removals = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._reconcile, daemon=True)

    def __enter__(self) -> Owner:
        version = self._write()
        self._thread = threading.Thread(target=self._reconcile, args=(version,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._stopped.set()
        # Its watch ends with this change at the latest.
        for what in ("label", "annotate"):
            subprocess.run(
                ["kubectl", what, "node", self.node, f"{LABEL if what == 'label' else ANNOTATION}-"],
                check=True,
                capture_output=True,
            )
        self._thread.join(10)

    def _write(self) -> str:
        metadata: dict[str, dict[str, str]] = {"labels": {LABEL: ""}}
        if self.owned:
            metadata["annotations"] = {ANNOTATION: json.dumps([LABEL])}
        node = self._core.patch_node(self.node, {"metadata": metadata}, field_manager=self.manager)
        return str(node.metadata.resource_version)

    def _reconcile(self, version: str) -> None:
        from kubernetes import watch

        deadline = time.monotonic() + 300
        while not self._stopped.is_set() and time.monotonic() < deadline:
            seen = watch.Watch().stream(
                self._core.list_node,
                field_selector=f"metadata.name={self.node}",
                resource_version=version,
                timeout_seconds=30,
            )
            for event in seen:
                if self._stopped.is_set():
                    return
                version = event["object"].metadata.resource_version
                if LABEL not in (event["object"].metadata.labels or {}):
                    self.removals += 1
                    if self._stopped.wait(DELAY):
                        return
                    version = self._write()


def _configuration(client, config):  # type: ignore[no-untyped-def]
    configuration = client.Configuration()
    config.load_kube_config(client_configuration=configuration, persist_config=False)
    return configuration
