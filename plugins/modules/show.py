#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Show text as it is
version_added: 1.0.0
description:
  - Prints lines to the console, without quotes, escapes and list markers that M(ansible.builtin.debug) puts around them.
  - It runs where Ansible runs and touches no host.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.info
options:
  text:
    description:
      - What to print. Its lines are printed together, though other hosts print at the same time.
    type: str
    required: true
notes:
  - Callback plugins that print something for machines, such as C(json), get these lines on the same standard output.
seealso:
  - plugin: l2ops.metallb.report_text
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show a diagnosis for people
  l2ops.metallb.show:
    text: "{{ diagnosis | l2ops.metallb.report_text }}"
"""

RETURN = r"""
lines:
  description: How many lines were printed.
  returned: success
  type: int
  sample: 24
"""
