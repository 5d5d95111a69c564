# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the person at the terminal sees: stages with elapsed time, a heartbeat while one is long, the log's end when it fails."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

START = time.monotonic()
HEARTBEAT_S = 20.0
_lock = threading.Lock()


class LabError(Exception):
    """Something the person can fix: the message says what, where, why and how."""


def say(text: str) -> None:
    with _lock:
        print(f"[{time.monotonic() - START:6.1f} s] {text}", flush=True)


def die(text: str) -> NoReturn:
    with _lock:
        print(f"\nlab: {text}", file=sys.stderr, flush=True)
    raise SystemExit(1)


@contextlib.contextmanager
def stage(title: str, usual: str = "") -> Iterator[None]:
    """One stage: says its name, a sign of life while it is long, and its time when it ends."""
    say(f"{title}{f' (usually {usual})' if usual else ''} …")
    began = time.monotonic()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_S):
            say(f"    … still: {title}, {time.monotonic() - began:.0f} s")

    ticker = threading.Thread(target=beat, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
    say(f"    done: {title}, {time.monotonic() - began:.1f} s")


def run(
    args: Sequence[str | Path],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program; with `log`, its output goes there. A failure becomes a LabError with the end of what it said."""
    command = [str(a) for a in args]
    try:
        done = subprocess.run(
            command,
            input=stdin if stdin is not None else "",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise LabError(
            f"{command[0]} is not installed, but the lab needs it. `make lab` names what must be installed."
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command[:6])}` did not end within {timeout:.0f} s.") from None
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as sink:
            sink.write(f"\n$ {' '.join(command)}\n{done.stdout}")
    if check and done.returncode:
        said = ((done.stdout or "") + (done.stderr or "")).strip().splitlines()[-15:]
        where = f" (whole output: {log})" if log else ""
        raise LabError(f"`{' '.join(command[:8])}` failed with {done.returncode}{where}:\n  " + "\n  ".join(said))
    return done
