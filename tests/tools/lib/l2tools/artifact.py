# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the checkout: the artifact, how hubs take it, how users install it, and its documentation."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

from . import checkout, pyenvs, tree
from .places import FQCN, LOGS, NAME, NAMESPACE, STATE
from .report import FAILED, PASSED, Report, plain, program, shortened
from .ui import Done, run

BUILD = STATE / "build"
SMOKE = STATE / "smoke"
# What is left of a collection where nothing but what runs is kept.
RUNS = ("meta", "plugins", "roles", "playbooks", "MANIFEST.json", "FILES.json")


def environment(**more: str) -> dict[str, str]:
    """The caller's, without what would point Ansible elsewhere, with the main environment's programs first."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_", "PYTHON"))}
    path = os.pathsep.join((str(pyenvs.bin_of("main")), kept.get("PATH", os.defpath)))
    return {
        **kept,
        "PATH": path,
        "ANSIBLE_COLLECTIONS_PATH": str(tree.TREE),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_HOME": str(STATE / "ansible"),
        **more,
    }


def _home() -> str:
    """For programs that leave things in the home folder: the user's stays as it is."""
    folder = STATE / "home"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def build(report: Report) -> Path | None:
    """The artifact, built from a copy: files that git ignores are nobody's business."""
    main = pyenvs.ensure("main")
    tree.ensure()
    source = checkout.copy(BUILD)
    out = BUILD / "artifact"
    shutil.rmtree(out, ignore_errors=True)
    command: list[str | Path] = [main / "ansible-galaxy", "collection", "build", "--force", "--output-path", out]
    if not program(report, "build", command, env=environment(), cwd=source):
        return None
    return next(out.glob("*.tar.gz"))


def importer(report: Report, artifact: Path | None) -> bool:
    """What Galaxy and Automation Hub do with an upload. Documentation that they cannot read is but logged: a failure here."""
    name = "importer"
    if artifact is None:
        return report.failed(name, 0.0, "no artifact")
    programs = pyenvs.ensure("importer")
    settings = BUILD / "galaxy-importer.cfg"
    settings.write_text(
        "[galaxy-importer]\nCHECK_REQUIRED_TAGS = True\nRUN_FLAKE8 = True\nREQUIRE_V1_OR_GREATER = True\n"
        "RUN_ANSIBLE_DOC = True\nRUN_ANSIBLE_LINT = True\nRUN_ANSIBLE_TEST = False\nLOG_LEVEL_MAIN = INFO\n",
        encoding="utf-8",
    )
    env = environment(GALAXY_IMPORTER_CONFIG=str(settings))
    env["PATH"] = os.pathsep.join((str(programs), env["PATH"]))
    # A hub has only this collection at hand; with kubernetes.core in reach, references to it would pass here alone.
    del env["ANSIBLE_COLLECTIONS_PATH"]
    env["HOME"] = _home()
    folder = BUILD / "importer"
    folder.mkdir(parents=True, exist_ok=True)

    def wrong(output: str) -> str:
        errors = re.findall(r"^ERROR:? .*", output, re.MULTILINE)
        if errors:
            return f"{len(errors)} errors, the first: {errors[0][:160]}"
        return "" if "Importer processing completed successfully" in output else "it did not complete"

    def told(line: str) -> bool:
        return line.startswith(("ERROR", "WARNING", "CRITICAL"))

    command: list[str | Path] = [programs / "python", "-m", "galaxy_importer.main", artifact]
    return program(report, name, command, env=env, cwd=folder, wrong=wrong, only=told)


def plugins() -> dict[str, list[str]]:
    """Names by type, as ansible-doc takes them."""
    found: dict[str, list[str]] = {}
    for folder, kind in (
        ("modules", "module"),
        ("filter", "filter"),
        ("lookup", "lookup"),
        ("inventory", "inventory"),
        ("callback", "callback"),
    ):
        names = {p.stem for p in checkout.files(f"plugins/{folder}") if p.parent.name == folder}
        names -= {name for name in names if name.startswith("_")}
        if names:
            found[kind] = [f"{FQCN}.{name}" for name in sorted(names)]
    roles = {p.parts[1] for p in checkout.files("roles") if p.parts[2:] == ("meta", "argument_specs.yml")}
    if roles:
        found["role"] = [f"{FQCN}.{name}" for name in sorted(roles)]
    return found


def filters_of(main: Path) -> list[str]:
    """A file of filters may hold several, whose names only ansible-doc knows."""
    done = run([main / "ansible-doc", "-t", "filter", "--list", "--json", FQCN], "list of filters", env=environment())
    try:
        return sorted(json.loads(plain(done.output)[plain(done.output).index("{") :]))
    except ValueError:
        return []


def docs(report: Report) -> None:
    """antsibull-docs over the whole, and ansible-doc of everything that has documentation."""
    main = pyenvs.ensure("main")
    tree.ensure()
    source = checkout.copy(BUILD)
    env = environment(ANSIBLE_COLLECTIONS_PATH=str(BUILD), HOME=_home())
    lint: list[str | Path] = [main / "antsibull-docs", "lint-collection-docs", "--plugin-docs"]
    lint += ["--validate-collection-refs=all", "--skip-rstcheck", "."]
    program(report, "docs: antsibull-docs lint", lint, env=env, cwd=source)
    found = plugins()
    for kind in ("module", "role"):
        if kind not in found:
            report.skipped(f"docs: ansible-doc of {kind}s", f"no {kind}s yet")
    for kind, names in found.items():
        wanted = names
        if kind == "filter":
            wanted = filters_of(main) or names
        began = time.monotonic()
        log = LOGS / f"check-ansible-doc-{kind}.log"
        done = run([main / "ansible-doc", "-t", kind, "--json", *wanted], f"ansible-doc of {kind}s", log=log, env=env)
        missing = _undocumented(done, wanted)
        detail = shortened(done) if done.code else "\n".join(f"    ansible-doc shows nothing of {m}" for m in missing)
        outcome = FAILED if done.code or missing else PASSED
        reason = f"{len(wanted)} shown" if outcome == PASSED else f"missing: {', '.join(missing)}"
        report.add(f"docs: ansible-doc of {kind}s", outcome, time.monotonic() - began, reason, detail)


def _undocumented(done: Done, wanted: list[str]) -> list[str]:
    output = plain(done.output)
    try:
        shown = json.loads(output[output.index("{") :])
    except ValueError:
        return wanted
    return [name for name in wanted if not shown.get(name)]


def changelog(report: Report) -> None:
    main = pyenvs.ensure("main")
    tree.ensure()
    source = checkout.copy(BUILD)
    env = environment(ANSIBLE_COLLECTIONS_PATH=str(BUILD), HOME=_home())
    program(report, "changelog: fragments", [main / "antsibull-changelog", "lint"], env=env, cwd=source)
    command: list[str | Path] = [main / "antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml"]
    program(report, "changelog: changelog.yaml", command, env=env, cwd=source)


def install_smoke(report: Report, artifact: Path | None) -> None:
    """From an installed copy with nothing left but what runs: playbooks by FQCN, documentation, a module."""
    name = "install-smoke"
    if artifact is None:
        report.failed(name, 0.0, "no artifact")
        return
    main = pyenvs.ensure("main")
    began = time.monotonic()
    shutil.rmtree(SMOKE, ignore_errors=True)
    target = SMOKE / "collections"
    env = environment(ANSIBLE_COLLECTIONS_PATH=str(target))
    work = SMOKE / "work"
    work.mkdir(parents=True)
    command: list[str | Path] = [main / "ansible-galaxy", "collection", "install", artifact]
    command += ["--collections-path", target, "--no-deps", "--offline"]
    if not program(report, f"{name}: install", command, env=env, cwd=work):
        return
    home = target / "ansible_collections"
    installed = home / NAMESPACE / NAME
    for entry in list(installed.iterdir()):
        if entry.name not in RUNS:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    core = home / "kubernetes" / "core"
    core.parent.mkdir(parents=True)
    core.symlink_to(tree.KUBERNETES_CORE)
    inventory = work / "inventory.yml"
    inventory.write_text("metallb_clusters:\n  hosts:\n    some:\n      ansible_connection: local\n", encoding="utf-8")
    playbooks = sorted(p.stem for p in (installed / "playbooks").glob("*.yml")) if installed.is_dir() else []
    if not playbooks:
        report.skipped(f"{name}: playbooks by FQCN", "no playbooks yet")
    for playbook in playbooks:
        command = [main / "ansible-playbook", f"{FQCN}.{playbook}", "-i", inventory, "--syntax-check"]
        program(report, f"{name}: {FQCN}.{playbook}", command, env=env, cwd=work)
    modules = plugins().get("module", [])
    if not modules:
        report.skipped(f"{name}: modules", "no modules yet")
        return
    log = LOGS / "check-install-smoke-doc.log"
    done = run([main / "ansible-doc", "--json", *modules], f"{name}: ansible-doc", log=log, env=env, cwd=work)
    missing = _undocumented(done, modules)
    if missing:
        report.failed(f"{name}: modules", time.monotonic() - began, f"unknown: {', '.join(missing)}", shortened(done))
    else:
        report.passed(f"{name}: modules", time.monotonic() - began, f"{len(modules)} found")
