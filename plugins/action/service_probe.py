# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ordinary action, without the headers of a task that Ansible refused: no module ran then, so nothing in them is masked."""

from __future__ import annotations

from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.l2ops.metallb.plugins.plugin_utils._refused_arguments import WithoutRefusedArguments


class ActionModule(WithoutRefusedArguments, NormalAction):
    pass
