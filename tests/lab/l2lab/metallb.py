# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One version of MetalLB after another in the lab that stands."""

from __future__ import annotations

import subprocess
from dataclasses import replace

from . import cluster, drive
from .host import Engine
from .settings import INVENTORY, METALLB, METALLB_VERSIONS, ROOT, Settings
from .ui import LabError, say

RESET = ROOT / "extensions" / "molecule" / "shared" / "reset.yml"
# The default one last: it is what the lab has afterwards.
ORDER = (*(version for version in METALLB_VERSIONS if version != METALLB), METALLB)


def versions(wanted: list[str]) -> list[str]:
    """The named versions, all of them without a name."""
    unknown = [name for name in wanted if name not in ORDER]
    if unknown:
        raise LabError(f"The lab has no MetalLB {', '.join(unknown)}; it has {', '.join(ORDER)}.")
    return [version for version in ORDER if not wanted or version in wanted]


def install(version: str, engine: Engine) -> tuple[Settings, dict[str, str]]:
    """The lab with this version and the demo services, installed from nothing by site.yml; what its programs are run with."""
    settings = replace(Settings(), metallb=version)
    cluster.up(settings, engine)
    env = drive.environment(settings, engine)
    say(f"Removing MetalLB, and installing {version}")
    command = [str(drive.VENV / "ansible-playbook"), str(RESET), "-i", str(INVENTORY)]
    done = subprocess.run(
        command, env={**env, "MOLECULE_PROJECT_DIRECTORY": str(ROOT)}, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode or drive.playbook("site", settings, engine):
        raise LabError(f"MetalLB {version} could not be installed: see above.")
    return settings, env
