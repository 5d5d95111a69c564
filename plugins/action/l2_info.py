# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of all modules that reach a cluster: kubernetes.core's, without the secrets that it puts into results.

kubernetes.core looks for the kubeconfig beside the play and decrypts it. Where a module returns no invocation, as with ansible-core 2.21 and
later, it also adds the task's arguments as they were given, tokens included, and callbacks and registered variables then hold them.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.l2ops.metallb.plugins.plugin_utils._refused_arguments import WithoutRefusedArguments

try:
    from ansible_collections.kubernetes.core.plugins.action.k8s_info import ActionModule as ClusterAction
except ImportError:  # the module says that kubernetes.core is missing
    from ansible.plugins.action.normal import ActionModule as ClusterAction


class ActionModule(WithoutRefusedArguments, ClusterAction):
    def _ensure_invocation(self, result: dict[str, Any]) -> dict[str, Any]:
        """What the module itself returned, which has no secrets in it."""
        return result
