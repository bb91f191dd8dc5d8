"""One running child process and the thread that reads what it says."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time

from app.core.resources import project_root
from app.worker import limits
from app.worker.protocol import MAX_LINE_BYTES, Message, parse_message

EXIT_GRACE_S = 2.0  # between closing its pipe and ending


class Child:
    """One running child: its process and the thread that reads from it."""

    def __init__(self, table: str) -> None:
        self.messages: queue.Queue[Message | None] = queue.Queue()  # None = the pipe is closed
        self.pid = 0
        self.exit_code: int | None = None
        self.nonsense = False
        self._started = threading.Event()
        self._reaping = threading.Lock()
        self._fault: OSError | None = None
        # The reader starts the child, because the parent-death signal is tied to the life of
        # the thread that does (limits.restrict_child).
        self._reader = threading.Thread(
            target=self._serve, args=(table,), name="worker-pipe", daemon=True
        )
        self._reader.start()
        self._started.wait()
        if self._fault is not None:
            raise self._fault

    @property
    def alive(self) -> bool:
        return self._reader.is_alive() and self.exit_code is None

    def send(self, line: bytes) -> None:
        """Write to the child; one that is gone is noticed by its closed pipe."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(line)
            self._stdin.flush()

    def end(self, *, wait_s: float = 0.0) -> None:
        """Let the child end by itself for a moment, then kill it and everything it started."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.close()
        self._reader.join(wait_s)
        self.kill()
        self._reader.join()

    def kill(self) -> None:
        """Kill the child and everything it started, unless it has ended."""
        with self._reaping:
            if self.exit_code is None:
                limits.kill_group(self.pid)

    def _serve(self, table: str) -> None:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.worker.main", table, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=limits.child_environment(project_root()),
                cwd=project_root(),
                start_new_session=True,
            )
        except OSError as fault:
            self._fault = fault
            self._started.set()
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self.pid = process.pid
        self._started.set()
        while line := process.stdout.readline(MAX_LINE_BYTES + 1):
            try:
                if len(line) > MAX_LINE_BYTES or not line.endswith(b"\n"):
                    raise ValueError("line too long or cut off")
                self.messages.put(parse_message(line))
            except (ValueError, RecursionError):
                self.nonsense = line.endswith(b"\n") or len(line) > MAX_LINE_BYTES
                break
        if self.nonsense or not _ends_within(process.pid, EXIT_GRACE_S):
            limits.kill_group(process.pid)
        process.stdout.close()
        _ends_within(process.pid, None)
        with self._reaping:
            # What it started goes with it. Until it is reaped its id cannot be another's.
            limits.kill_group(process.pid)
            self.exit_code = process.wait()
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()
        self.messages.put(None)


def _ends_within(pid: int, seconds: float | None) -> bool:
    """Wait for a child to end without reaping it; None = as long as it takes."""
    if sys.platform == "win32":
        import psutil

        try:
            psutil.Process(pid).wait(seconds)
        except psutil.TimeoutExpired:
            return False
        except psutil.NoSuchProcess:
            return True
        return True
    flags = os.WEXITED | os.WNOWAIT | (0 if seconds is None else os.WNOHANG)
    deadline = time.monotonic() + (seconds or 0.0)
    try:
        while os.waitid(os.P_PID, pid, flags) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
    except ChildProcessError:  # somebody else has reaped it: it has ended
        return True
    return True
