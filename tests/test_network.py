"""The program reaches for the network in one place only, and only when it is asked to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Every look for a name and every connection ends the process at once.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        if event == "socket.connect" and not isinstance(arguments[1], tuple):
            return  # a Unix socket: the display, not the network
        os.write(2, f"NETWORK {event} {arguments!r}".encode())
        os._exit(77)
sys.addaudithook(watch)
"""

EVERYTHING = (
    WATCH
    + """
import importlib, pkgutil, app
for module in pkgutil.walk_packages(app.__path__, "app."):
    importlib.import_module(module.name)
import torch, nilearn.maskers, captum.attr, ants
from app.cli.main import main
for words in (["--version"], ["--help"], ["models", "list"], ["models", "show", "vitmae_650M"],
              ["models", "verify"], ["models", "install", "A424"], ["verify", "--help"]):
    main(words)
from app.models.bundle import load_bundle
load_bundle("simulated-demo")
print("QUIET")
"""
)

ASKED = (
    WATCH
    + """
from pathlib import Path
from app.core.progress import Progress
from app.worker.installing import install
from app.worker.published import find_published
install(find_published("A424"), Progress(), accepted=True)
"""
)


def _run(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "NEURORESPONDER_HOME": str(tmp_path), "HOME": str(tmp_path),
             "OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip


def test_that_importing_everything_and_usual_commands_stay_off_the_network(tmp_path: Path) -> None:
    done = _run(EVERYTHING, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("QUIET\n")


def test_that_installing_is_what_reaches_for_it(tmp_path: Path) -> None:
    done = _run(ASKED, tmp_path)
    assert done.returncode == 77, done.stderr[-2000:]
    assert "raw.githubusercontent.com" in done.stderr
