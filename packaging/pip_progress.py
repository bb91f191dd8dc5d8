"""Runs pip with its output in a log file and a readable progress on the screen.

Standard library only; loaded by file path before the environment stands.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_COLLECTING = re.compile(r"^Collecting (?P<name>[A-Za-z0-9._-]+)")
_WHEEL = re.compile(
    r"^\s*(?:Downloading|Using cached|Processing)\s+(?P<path>\S+?\.whl)(?!\.metadata)"
    r"(?:\s+\((?P<size>[\d.]+\s*[kMG]?B)\))?\s*$"
)
_INSTALLING = re.compile(r"^Installing collected packages: (?P<names>.+)$")
_QUIET_S = 10.0  # without a terminal one line in this time is enough


class Screen:
    """One line that is rewritten on a terminal, and seldom repeated anywhere else."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._said_at_s = 0.0
        self._width = 0

    def say(self, text: str) -> None:
        """A sentence that stays."""
        self._clear()
        print(text, flush=True)

    def update(self, text: str) -> None:
        """What is happening now."""
        now_s = time.monotonic()
        if self._terminal:
            self._clear()
            self._width = min(len(text), 78)
            print(f"\r{text[:78]}", end="", flush=True)
        elif now_s - self._said_at_s >= _QUIET_S:
            self._said_at_s = now_s
            print(text, flush=True)

    def _clear(self) -> None:
        if self._terminal and self._width:
            print("\r" + " " * self._width + "\r", end="", flush=True)
            self._width = 0


class PipLines:
    """Turns pip's lines into progress: what is collected, which torch comes, how far it is."""

    def __init__(self, screen: Screen, site_packages: Path) -> None:
        self._screen = screen
        self._site_packages = site_packages
        self._started_s = time.monotonic()
        self._collected = 0
        self._to_install = 0
        self._present_before = 0
        self._doing = "asking the package index"
        self._cuda_said = False
        self.errors: list[str] = []

    def line(self, line: str) -> None:
        """Take in one line of pip's output."""
        if match := _COLLECTING.match(line):
            self._collected += 1
            name = match["name"]
            self._doing = f"{self._collected} packages found, now {name}"
            if name.startswith("nvidia") and not self._cuda_said:
                self._cuda_said = True
                self._screen.say("    NVIDIA's CUDA libraries come with it (several GB).")
        elif match := _WHEEL.match(line):
            file_name = match["path"].replace("\\", "/").rsplit("/", 1)[-1]
            size = f" ({match['size']})" if match["size"] else ""
            if file_name.startswith("torch-"):
                self._screen.say(f"    {torch_build_of(file_name, match['size'])}")
            self._doing = f"fetching {file_name.split('-')[0]}{size}"
        elif match := _INSTALLING.match(line):
            self._to_install = len(match["names"].split(","))
            self._present_before = self._present()
        elif line.startswith("ERROR:"):
            self.errors.append(line.removeprefix("ERROR:").strip())
        self.tick()

    def tick(self) -> None:
        """Show where it stands; called at least once a second."""
        seconds = int(time.monotonic() - self._started_s)
        doing = self._doing
        if self._to_install:
            done = min(max(self._present() - self._present_before, 0), self._to_install)
            doing = f"installing, {done} of {self._to_install} packages"
        self._screen.update(f"    [{seconds // 60}:{seconds % 60:02d}] {doing}")

    def _present(self) -> int:
        return sum(1 for _ in self._site_packages.glob("*.dist-info"))


def torch_build_of(file_name: str, size: str | None = None) -> str:
    """Which build a torch wheel holds, told from its name and size."""
    version = file_name.split("-")[1].replace("%2B", "+")
    local = version.partition("+")[2]
    if local.startswith("cpu"):
        kind = "CPU build"
    elif local.startswith("cu"):
        kind = f"CUDA build ({local})"
    elif local:
        kind = f"{local} build"
    elif "macosx" in file_name:
        kind = "macOS build (CPU and Apple MPS)"
    elif "win" in file_name or "aarch64" in file_name or (size and _megabytes(size) < 400):
        kind = "CPU build"
    else:
        kind = "the index's default build for Linux, which uses CUDA"
    return f"torch {version}: {kind}{f', {size} to fetch' if size else ''}"


def run_pip(
    command: Sequence[str], log: Path, site_packages: Path, keep_open: Sequence[int] = ()
) -> tuple[int, list[str]]:
    """Run pip to its end.

    Parameters
    ----------
    command
        pip's command line; the environment and pip's configuration are passed on untouched.
    log
        Every line is appended here.
    site_packages
        Counted while pip installs, which it does without a word.
    keep_open
        File descriptors that pip holds as well: the lock outlives a killed parent.

    Returns
    -------
    tuple
        pip's exit status and its error lines.
    """
    screen = Screen()
    lines = PipLines(screen, site_packages)
    arrived: queue.Queue[str | None] = queue.Queue()
    with (
        log.open("a", encoding="utf-8") as log_file,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(keep_open),
        ) as process,
    ):
        log_file.write(f"$ {' '.join(command)}\n")
        reader = threading.Thread(target=_forward, args=(process, arrived), daemon=True)
        reader.start()
        try:
            while True:
                try:
                    line = arrived.get(timeout=1.0)
                except queue.Empty:
                    lines.tick()
                    continue
                if line is None:
                    break
                log_file.write(line)
                lines.line(line.rstrip())
        except BaseException:
            process.terminate()
            raise
        reader.join()
        status = process.wait()
    screen.update("")
    return status, lines.errors


def _forward(process: subprocess.Popen[str], arrived: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        arrived.put(line)
    arrived.put(None)


def _megabytes(size: str) -> float:
    number, unit = re.match(r"([\d.]+)\s*([kMG]?)B", size).groups()  # type: ignore[union-attr]
    return float(number) * {"": 1e-6, "k": 1e-3, "M": 1.0, "G": 1e3}[unit]
