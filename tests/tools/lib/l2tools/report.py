# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks: what one is, how several run side by side, and what is said of them."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .places import LOGS, STATE
from .ui import Done, ToolError, run, say, stop_all

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"
# More than this of a failed program's output is in its log only.
SHOWN_LINES = 120
_ESCAPES = re.compile(r"\x1b(\[[0-9;]*[A-Za-z]|\]8;[^\x1b]*\x1b\\)")
_print = threading.Lock()


@dataclass
class Verdict:
    name: str
    outcome: str
    seconds: float
    reason: str = ""


class Report:
    """Collects verdicts, and says each as soon as it is known."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def add(self, name: str, outcome: str, seconds: float, reason: str = "", detail: str = "") -> bool:
        with _print:
            self.verdicts.append(Verdict(name, outcome, seconds, reason))
            if detail:
                print(detail, flush=True)
            say(f"{outcome:7} {name}: {seconds:.1f} s{f' ({reason})' if reason else ''}")
        return outcome != FAILED

    def passed(self, name: str, seconds: float, reason: str = "") -> bool:
        return self.add(name, PASSED, seconds, reason)

    def failed(self, name: str, seconds: float, reason: str = "", detail: str = "") -> bool:
        return self.add(name, FAILED, seconds, reason, detail)

    def skipped(self, name: str, reason: str) -> bool:
        return self.add(name, SKIPPED, 0.0, reason)

    def close(self) -> int:
        """The last words; the exit code."""
        by = {outcome: [v for v in self.verdicts if v.outcome == outcome] for outcome in (PASSED, FAILED, SKIPPED)}
        print()
        for verdict in by[SKIPPED]:
            print(f"skipped: {verdict.name}: {verdict.reason}")
        for verdict in by[FAILED]:
            print(f"failed: {verdict.name}{f': {verdict.reason}' if verdict.reason else ''}")
        print(f"{len(by[PASSED])} passed, {len(by[FAILED])} failed", flush=True)
        return 1 if by[FAILED] or not by[PASSED] else 0


def plain(output: str) -> str:
    """Without colours, links and the spinner's carriage returns."""
    return _ESCAPES.sub("", output).replace("\r", "\n")


def shortened(done: Done, only: Callable[[str], bool] | None = None) -> str:
    """As much of a failed program's output as a person reads."""
    lines = [line.rstrip() for line in plain(done.output).splitlines()]
    if only:
        chosen = [line for line in lines if only(line)]
        lines = chosen or lines
    left_off = len(lines) - SHOWN_LINES
    if left_off > 0:
        lines = [f"… {left_off} lines more in {done.log}", *lines[-SHOWN_LINES:]]
    return "\n".join(f"    {line}" for line in lines)


def program(
    report: Report,
    name: str,
    command: Sequence[str | Path],
    *,
    env: dict[str, str],
    cwd: Path,
    wrong: Callable[[str], str] | None = None,
    only: Callable[[str], bool] | None = None,
    note: str = "",
) -> bool:
    """A check that is a program: failed when it ends with an error, or when `wrong` finds one in its output."""
    log = LOGS / f"check-{re.sub(r'[^a-z0-9.-]+', '-', name.lower())}.log"
    done = run(command, name, log=log, env=env, cwd=cwd)
    reason = wrong(plain(done.output)) if wrong else ""
    if done.code and not reason:
        reason = f"ended with {done.code}, log: {log}"
    if reason:
        return report.failed(name, done.seconds, reason, shortened(done, only))
    return report.passed(name, done.seconds, note)


def together(report: Report, checks: Iterable[tuple[str, Callable[[], object]]], workers: int = 2) -> None:
    """Run checks side by side. What a check does not expect is a failure of that check, not the end of the others."""

    def guarded(name: str, check: Callable[[], object]) -> None:
        began = time.monotonic()
        try:
            check()
        except (ToolError, OSError) as why:
            report.failed(name, time.monotonic() - began, str(why).splitlines()[0], f"    {why}")

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(guarded, name, check) for name, check in checks]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise


class Remembered:
    """Verdict `passed` kept for a check whose every input can be named: it is not run again until one of them changes."""

    def __init__(self, name: str, files: Iterable[Path], *words: str) -> None:
        digest = hashlib.sha256("\0".join(words).encode())
        for path in sorted(files):
            digest.update(str(path).encode() + b"\0")
            digest.update(path.read_bytes() if path.is_file() else b"absent")
            digest.update(b"\0")
        self._key = digest.hexdigest()
        self._file = STATE / "passed" / name

    def holds(self) -> bool:
        return self._file.exists() and self._file.read_text(encoding="utf-8") == self._key

    def keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._key, encoding="utf-8")
