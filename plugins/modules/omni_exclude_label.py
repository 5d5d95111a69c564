#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the exclude label out of the machine configurations that Omni makes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: omni_exclude_label
short_description: Take the exclude label out of the machine configurations that Omni makes
version_added: 1.0.0
description:
  - Omni makes the configuration of a Talos machine anew each time, out of the version the cluster was born with and of ConfigPatches.
    Only a ConfigPatch takes the label C(node.kubernetes.io/exclude-from-external-load-balancers) out of it for good.
  - Asks Omni by C(omnictl) for the cluster, its machine sets and its ConfigPatches. Where one of them deletes the label already, nothing
    is done.
  - Otherwise applies two ConfigPatches to the machine set of the control planes, one that sets the label and one that deletes it, for a
    patch that only deletes fails where the label is not. For a cluster of Talos 1.14 and newer two more clear the document
    C(KubeNodeConfig).
  - A cluster that a cluster template manages is not touched, since the next C(omnictl cluster template sync) would delete what is not in
    the template. What belongs into the template is returned instead.
  - A ConfigPatch that comes later and would undo it, or fail with it, is named, and nothing is done.
  - ConfigPatches may hold secrets. Of those that are not the module's own, only the name is returned.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.attributes
attributes:
  check_mode:
    support: full
    details:
      - Has omnictl try it (C(--dry-run)).
  diff_mode:
    support: full
    details:
      - Shows the module's own ConfigPatches.
  idempotent:
    support: full
options:
  cluster:
    description:
      - Name of the cluster in Omni.
    type: str
    required: true
  machine_set:
    description:
      - Machine set to patch. By default the one whose role is control plane.
    type: str
  key:
    description:
      - Key of the label.
    type: str
    default: node.kubernetes.io/exclude-from-external-load-balancers
  omniconfig:
    description:
      - Path of the omniconfig. Without it C(omnictl) looks where it always does. It is not needed with the variables
        C(OMNI_ENDPOINT) and C(OMNI_SERVICE_ACCOUNT_KEY) in the environment of the task.
    type: path
  context:
    description:
      - Context within the omniconfig.
    type: str
  omnictl:
    description:
      - Path of the program, or its name on the PATH.
    type: str
    default: omnictl
  timeout:
    description:
      - Seconds that one call of C(omnictl) may take.
    type: int
    default: 60
requirements:
  - omnictl, of the version of Omni
  - PyYAML
notes:
  - Not run against a live Omni. The calls and answers of C(omnictl) are tested against a stand-in that answers as its documentation and
    its source (client v1.10) say. What the patches do to a configuration is tested with the real C(talosctl).
  - An omniconfig of a person has C(omnictl) open a browser when the login has expired, which ends in the time limit. Use a service account.
seealso:
  - module: l2ops.metallb.exclude_label
  - module: l2ops.metallb.talos_exclude_label
"""

EXAMPLES = r"""
- name: No label on control planes, for good
  l2ops.metallb.omni_exclude_label:
    cluster: home
  environment:
    OMNI_ENDPOINT: https://home.omni.example
    OMNI_SERVICE_ACCOUNT_KEY: "{{ omni_key }}"
"""

RETURN = r"""
action:
  description:
    - V(none), a ConfigPatch deletes the label already; V(applied), or in check mode V(would apply); V(template), the cluster is
      managed by a template and was not touched.
  returned: success
  type: str
  sample: applied
why:
  description: What led to it, where nothing was applied.
  returned: always
  type: str
  sample: a cluster template manages the cluster
machine_set:
  description: Machine set that was looked at.
  returned: success
  type: str
  sample: home-control-planes
config_patches:
  description: Names of the module's own ConfigPatches, in the order in which Omni applies them.
  returned: always
  type: list
  elements: str
  sample: [490-home-control-planes-metallb-l2-a-set, 491-home-control-planes-metallb-l2-b-delete]
template_patches:
  description: With RV(action=template), the entries for C(patches) of the ControlPlane document of the cluster template, as JSON.
  returned: success
  type: str
  sample: ""
failure_kind:
  description: V(execution), when the module failed.
  returned: failure
  type: str
  sample: execution
"""

import json
import os
import subprocess
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable
from ansible_collections.l2ops.metallb.plugins.module_utils._talos import machine_config
from ansible_collections.l2ops.metallb.plugins.module_utils._talos import omni as _omni

try:
    import yaml

    YAML_ERROR = None
except ImportError as error:
    yaml = None
    YAML_ERROR = error


class Omni:
    """One run."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        params = module.params
        self.cluster: str = params["cluster"]
        self.key: str = params["key"]
        self.common: list[str] = []
        for option in ("omniconfig", "context"):
            if params[option]:
                self.common += [f"--{option}", params[option]]
        self.given = False
        self.result: dict[str, t.Any] = {"changed": False, "why": "", "config_patches": []}

    def call(self, *arguments: str) -> str:
        program = self.module.params["omnictl"]
        try:
            done = subprocess.run(
                [program, *self.common, *arguments],
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=self.module.params["timeout"],
            )
        except OSError as why:
            self.fail(
                f"omnictl cannot be run: {program}: {why.strerror}. Install the omnictl of your Omni, or set omnictl (role: metallb_omnictl) "
                "to its path."
            )
        except subprocess.TimeoutExpired:
            self.fail(
                f"omnictl gave no answer within {self.module.params['timeout']} s. Does it wait for a login in a browser? Give a service "
                "account: OMNI_ENDPOINT and OMNI_SERVICE_ACCOUNT_KEY."
            )
        if done.returncode:
            said = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("[WARN]")]
            self.fail(
                f"omnictl {' '.join(arguments[:2])} failed: {printable(said[-1]).rstrip('.') if said else 'it says nothing'}. "
                f"Is {self.cluster} the name of the cluster in Omni, and may this account change it (role Operator)?"
            )
        return done.stdout

    def get(self, *what: str) -> list[_omni.Object]:
        try:
            return _omni.documents(self.call("get", *what, "--output", "yaml"))
        except yaml.YAMLError:
            # Its words would quote what was read, and with it secrets.
            self.fail(f"What omnictl get {what[0]} printed is no YAML.")

    def config_patches(self) -> list[_omni.Object]:
        return self.get(_omni.CONFIG_PATCHES, "--selector", f"{_omni.PREFIX}cluster={self.cluster}")

    def machine_set(self) -> str:
        every = self.get(_omni.MACHINE_SETS, "--selector", f"{_omni.PREFIX}cluster={self.cluster}")
        wanted = self.module.params["machine_set"]
        if wanted:
            names = sorted(str(_omni.metadata(one).get("id") or "") for one in every)
            if wanted not in names:
                self.fail(
                    f"The cluster {self.cluster} has no machine set {wanted} in Omni, but {', '.join(names) or 'none'}."
                )
            return str(wanted)
        found = _omni.control_planes(every)
        if len(found) != 1:
            self.fail(
                f"Omni knows {', '.join(found) or 'no machine set'} as control planes of {self.cluster}. Say which one by machine_set "
                "(role: metallb_omni_machine_set)."
            )
        return found[0]

    def run(self) -> None:
        if not self.cluster:
            self.fail("The name of the cluster in Omni is wanted: cluster (role: metallb_omni_cluster).")
        clusters = self.get(_omni.CLUSTERS, self.cluster)
        if len(clusters) != 1:
            self.fail(f"Omni has no cluster {self.cluster}. See: omnictl get clusters.")
        machine_set = self.machine_set()
        before = self.config_patches()
        plan = _omni.plan(clusters[0], before, self.key, machine_set)
        names = [str(_omni.metadata(one)["id"]) for one in plan.patches]
        self.result.update(machine_set=machine_set, why=plan.why, config_patches=names, template_patches="")
        if plan.action == "blocked":
            self.fail(f"The label {self.key} would not go from {machine_set}: {plan.why}.")
        self.result["action"] = plan.action
        if plan.action == "template":
            wanted = machine_config.template_patches(self.key, _omni.places(clusters[0]))
            self.result["template_patches"] = json.dumps(wanted, indent=2)
        if plan.action != "apply":
            return
        if self.module._diff:
            self.result["diff"] = _omni.diff(before, plan.patches)
        self.apply(plan)
        self.result.update(changed=True, action="would apply" if self.module.check_mode else "applied")
        if not self.module.check_mode:
            self.verify(clusters[0], machine_set)

    def apply(self, plan: _omni.OmniPlan) -> None:
        with tempfile.TemporaryDirectory(dir=self.module.tmpdir) as folder:
            path = os.path.join(folder, "config-patches.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(_omni.manifest(plan.patches))
            self.given = not self.module.check_mode
            self.call("apply", "--file", path, *(["--dry-run"] if self.module.check_mode else []))

    def verify(self, cluster: _omni.Object, machine_set: str) -> None:
        after = _omni.plan(cluster, self.config_patches(), self.key, machine_set)
        if after.action != "none":
            self.fail(
                f"omnictl took the ConfigPatches, and Omni does not have them: {', '.join(self.result['config_patches'])}."
            )

    def fail(self, msg: str) -> t.NoReturn:
        done = "omnictl may have taken a part; another run completes it." if self.given else "Nothing was changed."
        self.module.fail_json(msg=f"{msg} {done}", failure_kind="execution", **self.result)
        raise AssertionError("not reached")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "machine_set": {"type": "str"},
            "key": {
                "type": "str",
                "default": "node.kubernetes.io/exclude-from-external-load-balancers",
                "no_log": False,
            },
            "omniconfig": {"type": "path"},
            "context": {"type": "str"},
            "omnictl": {"type": "str", "default": "omnictl"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if yaml is None:
        module.fail_json(
            msg=missing_required_lib("PyYAML", reason="to read what Omni answers"),
            exception=str(YAML_ERROR),
            failure_kind="execution",
        )
    omni = Omni(module)
    omni.run()
    module.exit_json(**omni.result)


if __name__ == "__main__":
    main()
