#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the exclude label out of Talos' machine configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: talos_exclude_label
short_description: Take the exclude label out of Talos' machine configuration
version_added: 1.0.0
description:
  - Talos writes the label C(node.kubernetes.io/exclude-from-external-load-balancers) into the machine configuration of control
    planes (since 1.8), and puts it back within a second when it is removed from the Node. Only a change of the configuration lasts.
  - Asks each node by C(talosctl) for its configuration, and where the label stands in it, under C(machine.nodeLabels) or in a
    document of kind C(KubeNodeConfig) (Talos 1.14), applies two patches in one call, one that sets the label and one that deletes
    it. A patch that only deletes fails where the label is not, and both in one patch do nothing and say nothing.
  - Nodes whose configuration has no such label are left alone. No node is rebooted.
  - Nodes are read side by side, and changed one after the other. One that cannot be read or changed does not keep the others from it; the
    module fails at the end, naming each with the reason.
  - Configurations hold secrets. None of it is returned or shown.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.attributes
attributes:
  check_mode:
    support: full
    details:
      - Has Talos try the patches (C(--dry-run)).
  diff_mode:
    support: none
    details:
      - A configuration holds secrets.
  idempotent:
    support: full
options:
  nodes:
    description:
      - Addresses of the nodes as C(talosctl) reaches them, by the name that is used in messages.
    type: dict
    required: true
  key:
    description:
      - Key of the label.
    type: str
    default: node.kubernetes.io/exclude-from-external-load-balancers
  talosconfig:
    description:
      - Path of the talosconfig. Without it C(talosctl) looks where it always does.
    type: path
  context:
    description:
      - Context within the talosconfig.
    type: str
  endpoints:
    description:
      - Endpoints to ask through, where those of the talosconfig do not fit.
    type: list
    elements: str
  talosctl:
    description:
      - Path of the program, or its name on the PATH.
    type: str
    default: talosctl
  timeout:
    description:
      - Seconds that one call of C(talosctl) may take.
    type: int
    default: 60
requirements:
  - talosctl, of about the version of the nodes
  - PyYAML
notes:
  - Where Omni manages the machines it refuses such changes. Role C(nodes) with method C(omni) writes the patches for Omni instead.
  - Tested on nodes of Talos v1.12.0, and the patches over configurations of Talos 1.7 to 1.14, those of 1.14 by hand only (with Talos'
    machinery v1.14.0-rc.1).
seealso:
  - module: l2ops.metallb.exclude_label
"""

EXAMPLES = r"""
- name: No label on control planes, for good
  l2ops.metallb.talos_exclude_label:
    nodes:
      talos-cp-1: 192.168.7.11
      talos-cp-2: 192.168.7.12
      talos-cp-3: 192.168.7.13
    talosconfig: ~/.talos/config
"""

RETURN = r"""
nodes:
  description: What was found and done, by node.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The node.
      type: str
    places:
      description: Where its configuration held the label, C(machine.nodeLabels) or C(KubeNodeConfig).
      type: list
      elements: str
    action:
      description: V(none), the configuration had no label; V(applied), or in check mode V(would apply).
      type: str
  sample:
    - name: talos-cp-1
      places: [machine.nodeLabels]
      action: applied
    - name: talos-worker-1
      places: []
      action: none
failed_nodes:
  description: Nodes that could not be read or changed, and why.
  returned: always
  type: list
  elements: dict
  sample:
    - node: talos-cp-2
      error: "talosctl gave no answer within 60 s. Does 192.168.7.12 answer on port 50000 from here?"
failure_kind:
  description: V(execution), when the module failed.
  returned: failure
  type: str
  sample: execution
"""

import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.node_labels import EXCLUDE_LABEL, listing
from ansible_collections.l2ops.metallb.plugins.module_utils._talos.machine_config import (
    loaded,
    outcome,
    patches,
    places,
)

try:
    import yaml

    YAML_ERROR = None
except ImportError as error:
    yaml = None
    YAML_ERROR = error


# talosctl processes at once.
SIDE_BY_SIDE = 8


class NodeError(Exception):
    """Why one node could not be read or changed, in words for the user."""


class Talos:
    """One run."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        params = module.params
        self.program: str = params["talosctl"]
        self.common: list[str] = []
        for option, argument in (("talosconfig", "--talosconfig"), ("context", "--context")):
            if params[option]:
                self.common += [argument, params[option]]
        if params["endpoints"]:
            self.common += ["--endpoints", ",".join(params["endpoints"])]
        self.result: dict[str, t.Any] = {"changed": False, "nodes": [], "failed_nodes": []}

    def call(self, address: str, *arguments: str) -> tuple[int, str, str]:
        command = [self.program, *self.common, "--nodes", address, *arguments]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="replace",
                timeout=self.module.params["timeout"],
            )
        except OSError as why:
            raise NodeError(
                f"talosctl cannot be run: {self.program}: {why.strerror}. Install the talosctl of your Talos version, or set talosctl "
                "(role: metallb_talosctl) to its path."
            ) from why
        except subprocess.TimeoutExpired as why:
            raise NodeError(
                f"talosctl gave no answer within {self.module.params['timeout']} s. Does {address} answer on port 50000 from here?"
            ) from why
        return done.returncode, done.stdout, done.stderr.strip()

    def found(self, address: str) -> list[str]:
        code, text, why = self.call(address, "get", "machineconfig", "v1alpha1", "--output", "jsonpath={.spec}")
        if code:
            raise NodeError(f"its machine configuration cannot be read: {_last(why)}. Talos' rights: role os:admin.")
        try:
            documents = [one for one in loaded(text) if one is not None]
        except yaml.YAMLError:
            # Its words would quote the configuration, and with it secrets.
            raise NodeError("what talosctl gave as its machine configuration is no YAML.") from None
        if not documents:
            raise NodeError("talosctl gave an empty machine configuration.")
        return places(documents, self.module.params["key"])

    def fix(self, address: str, where: list[str]) -> str:
        arguments = [argument for text in patches(where, self.module.params["key"]) for argument in ("--patch", text)]
        if self.module.check_mode:
            arguments.append("--dry-run")
        code, said, why = self.call(address, "patch", "machineconfig", "--mode", "no-reboot", *arguments)
        if code:
            raise NodeError(
                f"Talos refuses the patches: {_last(why)}. A machine that Omni manages is changed through Omni only: "
                "metallb_nodes_method: omni."
            )
        if self.module.check_mode:
            return "would apply"
        if outcome(f"{said}\n{why}") == "unchanged" or self.found(address):
            raise NodeError(
                f"Talos took the patches, and the label is in its configuration all the same ({', '.join(where)})."
            )
        return "applied"

    def look(self, address: str) -> list[str] | NodeError:
        try:
            return self.found(address)
        except NodeError as why:
            return why

    def run(self) -> None:
        nodes = [(node, str(address)) for node, address in sorted(self.module.params["nodes"].items())]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            seen = list(pool.map(self.look, [address for _node, address in nodes]))
        # One after the other: a patch that Talos stumbles over meets one control plane, not all.
        for (node, address), where in zip(nodes, seen):
            try:
                if isinstance(where, NodeError):
                    raise where
                action = self.fix(address, where) if where else "none"
            except NodeError as why:
                self.result["failed_nodes"].append({"node": node, "error": str(why)})
                continue
            self.result["changed"] = self.result["changed"] or action != "none"
            self.result["nodes"].append({"name": node, "places": where, "action": action})
        if self.result["failed_nodes"]:
            self.fail()

    def fail(self) -> None:
        """One sentence for each reason, not for each node: a program that is not there is missed once."""
        nodes_of: dict[str, list[str]] = {}
        for one in self.result["failed_nodes"]:
            nodes_of.setdefault(one["error"], []).append(one["node"])
        why = " ".join(f"{listing(nodes)}: {error}" for error, nodes in nodes_of.items())
        done = [f"{one['name']} {one['action']}" for one in self.result["nodes"] if one["action"] != "none"]
        self.module.fail_json(
            msg=f"{why} {f'Done all the same: {listing(done)}.' if done else 'Nothing was changed.'}",
            failure_kind="execution",
            **self.result,
        )


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1]).rstrip(".") if lines else "it says nothing"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "dict", "required": True},
            "key": {
                "type": "str",
                "default": EXCLUDE_LABEL,
                "no_log": False,
            },
            "talosconfig": {"type": "path"},
            "context": {"type": "str"},
            "endpoints": {"type": "list", "elements": "str"},
            "talosctl": {"type": "str", "default": "talosctl"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if yaml is None:
        module.fail_json(
            msg=missing_required_lib("PyYAML", reason="to read machine configurations"),
            exception=str(YAML_ERROR),
            failure_kind="execution",
        )
    talos = Talos(module)
    talos.run()
    module.exit_json(**talos.result)


if __name__ == "__main__":
    main()
