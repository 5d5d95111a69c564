# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the person at the terminal sees: who does what, for how long, and a sign of life while it is long."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START = time.monotonic()
HEARTBEAT_S = 15.0
_lock = threading.Lock()
_running: set[int] = set()


class ToolError(Exception):
    """Something the person can fix: the message says what, where, why and how."""


def say(text: str) -> None:
    with _lock:
        print(f"[{time.monotonic() - START:6.1f} s] {text}", flush=True)


@dataclass
class Done:
    """How a program ended."""

    code: int
    output: str
    seconds: float
    log: Path | None


def run(
    command: Sequence[str | Path],
    title: str,
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 1800.0,
) -> Done:
    """Run a program; its output goes to `log` and to the result. While it is long, its last line shows that it lives.

    The whole process group ends with it, so that nothing of it runs on after an interruption or the time-out.
    """
    began = time.monotonic()
    words = [str(word) for word in command]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as why:
        raise ToolError(f"{title}: cannot run {words[0]}: {why}") from None
    _running.add(process.pid)
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        with contextlib.ExitStack() as stack:
            sink = None
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                sink = stack.enter_context(log.open("w", encoding="utf-8"))
                sink.write(f"$ {' '.join(words)}\n")
            for line in process.stdout:
                lines.append(line)
                if sink is not None:
                    sink.write(line)
                    sink.flush()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    beat = began + HEARTBEAT_S
    try:
        while reader.is_alive():
            reader.join(0.5)
            now = time.monotonic()
            if now > began + timeout:
                lines.append(f"\nstopped: it did not end within {timeout:.0f} s\n")
                break
            if now > beat:
                beat = now + HEARTBEAT_S
                last = lines[-1].strip()[:90] if lines else ""
                say(f"    … {title}: {now - began:.0f} s{f', {last}' if last else ''}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.poll() is None and reader.is_alive():
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        _running.discard(process.pid)
        reader.join(5)
    return Done(code, "".join(lines), time.monotonic() - began, log)


def stop_all() -> None:
    """End what runs, after an interruption: each program is a process group of its own, which the terminal does not reach."""
    for group in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def alone(lock: Path, title: str) -> Iterator[None]:
    """Hold a lock file: `make demo` makes environments in the background while somebody runs `make check`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        began = time.monotonic()
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told and time.monotonic() - began > 1.0:
                    told = True
                    say(f"{title}: another run makes it; waiting …")
                time.sleep(0.1)
        yield


def tail(text: str, count: int = 15) -> str:
    return "\n".join("  " + line for line in text.strip().splitlines()[-count:])
