# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test`: everything, in the order in which a mistake shows soonest; ends with `N passed, N failed`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from l2lab import drive, host, ui
from l2lab.settings import ROOT, STATE, Settings

SCENARIOS = ("kind", "broken")
END = 25
# Has a target of its own, with the lab of Talos nodes: the build of talosctl alone takes minutes.
OF_TALOS = "tests/integration/test_talosctl.py"


class Suite:
    def __init__(self) -> None:
        self.results: list[tuple[str, bool, float]] = []
        self.ends: dict[str, list[str]] = {}

    def step(self, name: str, command: list[str], env: dict[str, str] | None = None, cwd: Path = ROOT) -> bool:
        ui.say(f"== {name}: {' '.join(Path(c).name if c.startswith('/') else c for c in command)}")
        began = time.monotonic()
        # What it says is shown at once; its end is said again when it failed, for those who see only the end of a long log.
        end: deque[str] = deque(maxlen=END)
        with subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        ) as process:  # fmt: skip
            for line in process.stdout or ():
                print(line, end="", flush=True)
                end.append(line.rstrip())
        return self.ended(name, process.returncode == 0, time.monotonic() - began, list(end))

    @contextmanager
    def beside(self, name: str, command: list[str], env: dict[str, str] | None) -> Iterator[None]:
        """A step that waits more than it works, while another one runs. What it said is shown when it is over."""
        ui.say(f"== {name}, beside what follows: {' '.join(Path(c).name if c.startswith('/') else c for c in command)}")
        began = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            process = subprocess.Popen(
                command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
            )
            try:
                yield
                if process.poll() is None:
                    ui.say(f"== {name}: waiting for its end")
                process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            said.seek(0)
            text = said.read()
        print(text, end="", flush=True)
        self.ended(name, process.returncode == 0, time.monotonic() - began, text.splitlines()[-END:])

    def ended(self, name: str, ok: bool, seconds: float, end: list[str]) -> bool:
        if not ok:
            self.ends[name] = end
        self.results.append((name, ok, seconds))
        ui.say(f"== {name}: {'passed' if ok else 'FAILED'} after {seconds:.0f} s")
        return ok

    def passed(self, name: str) -> bool:
        return any(ok for step, ok, _seconds in self.results if step == name)

    def close(self) -> int:
        failed = [name for name, ok, _seconds in self.results if not ok]
        for name in failed:
            print(f"\n-- the end of {name}, which failed:")
            print("\n".join(f"   {line}" for line in self.ends.get(name, [])))
        print()
        for name, ok, seconds in self.results:
            print(f"  {'passed' if ok else 'FAILED'}  {seconds:6.0f} s  {name}")
        print(f"\nThe whole took {time.monotonic() - ui.START:.0f} s.")
        print(f"{len(self.results) - len(failed)} passed, {len(failed)} failed")
        return 1 if failed else 0


def main() -> int:
    suite = Suite()
    python3 = sys.executable
    # Formatting and unit tests first: they fail in seconds, the lab takes minutes. The others run while it is built.
    first, beside = ("lint", "unit", "playbooks"), ("docs", "changelog", "importer", "install-smoke", "sanity")
    try:
        settings = Settings()
        engine = host.engine(settings)
        python = drive.Environment()
        python.ready()
        for check in first:
            suite.step(check, [python3, str(drive.TOOLS / "check.py"), check])
        with suite.beside("lab", [python3, "tests/lab/lab.py", "up"], None):
            for check in beside:
                suite.step(check, [python3, str(drive.TOOLS / "check.py"), check])
        if not suite.passed("lab"):
            return suite.close()
        env = drive.environment(settings, engine)
        env["MOLECULE_GLOB"] = "extensions/molecule/*/molecule.yml"
        pytest = str(drive.VENV / "pytest")
        suite.step("network namespaces", [pytest, "-q", "tests/netns"], env)
        for scenario in SCENARIOS:
            suite.step(f"molecule {scenario}", [str(drive.VENV / "molecule"), "test", "-s", scenario], env)
        suite.step("integration", [pytest, "-q", "--durations=15", f"--ignore={OF_TALOS}", "tests/integration"], env)
    except ui.LabError as why:
        print(f"\n{why}", file=sys.stderr)
        suite.results.append((f"stopped: {str(why).splitlines()[0]}", False, time.monotonic() - ui.START))
    STATE.mkdir(parents=True, exist_ok=True)
    return suite.close()


if __name__ == "__main__":
    sys.exit(main())
