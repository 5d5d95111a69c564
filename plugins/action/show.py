# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print text as it is. All of module show: nothing runs on the host."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable

display = Display()


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("text",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec({"text": {"type": "str", "required": True}})
        if not self._task.no_log:
            # At once, so that lines of several hosts do not mix.
            display.display(printable(given["text"], lines=True))
        result.update(changed=False, lines=len(given["text"].splitlines()))
        return result
