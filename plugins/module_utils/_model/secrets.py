# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Words that Ansible does not know to be secrets, because they are no option of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:
    # Since ansible-core 2.22, where module.no_log_values masks nothing any more.
    from ansible.module_utils.secrets import register_secrets
except ImportError:
    register_secrets = None

# Masking a shorter word would mask half of every message.
SHORTEST = 3


def hide(module: Any, secrets: Iterable[str]) -> None:
    """Ansible masks these from here on, in results, messages and logs."""
    words = {secret for secret in secrets if len(secret) >= SHORTEST}
    if not words:
        return
    if register_secrets is not None:
        register_secrets(words)
    if hasattr(module, "no_log_values"):
        module.no_log_values.update(words)
