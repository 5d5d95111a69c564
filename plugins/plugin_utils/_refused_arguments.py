# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments that Ansible itself refused never reached the module, so nothing in them is masked: they leave the result."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class WithoutRefusedArguments(ActionBase):
    """For actions whose module takes secrets; stands before the action that does the work."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if result.get("failed"):
            result.pop("invocation", None)
        return result
