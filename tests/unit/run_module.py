# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module's main() in this process, as Ansible would with these arguments."""

from __future__ import annotations

import json
from contextlib import ExitStack
from types import ModuleType
from typing import Any
from unittest import mock

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core before 2.19
    patch_module_args = None


class ModuleExit(BaseException):
    """The module said its last word."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result.get("msg", ""))
        self.result = result


def run(module: ModuleType, *, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
    """The result, with `failed` and `warnings` always set."""
    warnings: list[str] = []

    def leave(failed: bool) -> Any:
        def method(_self: Any, **result: Any) -> None:
            json.dumps(result)  # what cannot be sent is a fault
            raise ModuleExit(dict(result, failed=failed, warnings=warnings))

        return method

    everything = dict(arguments, _ansible_check_mode=check, _ansible_diff=diff)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(basic.AnsibleModule, "exit_json", leave(False)))
        stack.enter_context(
            mock.patch.object(
                basic.AnsibleModule, "fail_json", lambda self, msg="", **result: leave(True)(self, msg=msg, **result)
            )
        )
        stack.enter_context(
            mock.patch.object(basic.AnsibleModule, "warn", lambda _self, text, **_more: warnings.append(text))
        )
        if patch_module_args is not None:
            stack.enter_context(patch_module_args(everything))
        else:
            encoded = json.dumps({"ANSIBLE_MODULE_ARGS": everything}).encode()
            stack.enter_context(mock.patch.object(basic, "_ANSIBLE_ARGS", encoded))
        try:
            module.main()
        except ModuleExit as left:
            return left.result
    raise AssertionError("the module ended without a result")
