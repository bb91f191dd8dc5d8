"""System libraries and programs that pip cannot install: found, and named with the command.

Standard library only; loaded by file path before the environment stands.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

# Library or program -> Debian/Ubuntu package. Checked in a bare Debian 12.
QT_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libexpat.so.1": "libexpat1",
}
SCREEN_LIBRARIES = {
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
TEST_PROGRAMS = {"Xvfb": "xvfb", "pdftoppm": "poppler-utils"}


def missing_for_window() -> dict[str, str]:
    """Libraries that a window on this screen needs and does not find, with their packages."""
    return _missing_libraries({**QT_LIBRARIES, **SCREEN_LIBRARIES})


def missing_for_tests() -> dict[str, str]:
    """What the suite needs under its virtual screen and does not find, with the packages."""
    if not sys.platform.startswith("linux"):
        return {}
    programs = {name: pkg for name, pkg in TEST_PROGRAMS.items() if shutil.which(name) is None}
    return {**missing_for_window(), **programs}


def has_display() -> bool:
    """Whether Qt could open a window; without this it would abort the process."""
    if not sys.platform.startswith("linux"):
        return True
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return any(os.environ.get(name) for name in names)


def install_command(packages: Iterable[str]) -> str:
    """The exact command that brings the packages, or a sentence where there is no apt-get."""
    names = " ".join(sorted(set(packages)))
    if shutil.which("apt-get") is None:
        return f"your system's package manager, for the equivalents of: {names}"
    sudo = "" if _is_root() else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install --no-install-recommends -y {names}"


def explain(missing: dict[str, str]) -> str:
    """One message that names what is missing and the command that brings it."""
    names = ", ".join(missing)
    command = install_command(missing.values())
    return f"This machine lacks system libraries: {names}\nInstall them with:\n    {command}"


def install_as_root(packages: Iterable[str]) -> bool:
    """Install with apt-get where that is allowed (root, Debian or Ubuntu); say whether it was."""
    names = sorted(set(packages))
    if not _is_root() or shutil.which("apt-get") is None:
        return False
    print(f"Installing system packages: {' '.join(names)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--no-install-recommends", "-y", "-qq", *names]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode != 0:
            # A package source that cannot be reached need not matter; the install decides.
            print((done.stderr or done.stdout).strip(), flush=True)
            if command is install:
                return False
    return True


def _missing_libraries(libraries: dict[str, str]) -> dict[str, str]:
    if not sys.platform.startswith("linux"):
        return {}
    return {name: package for name, package in libraries.items() if not _loads(name)}


def _loads(soname: str) -> bool:
    # Asking the loader itself: ldconfig's cache knows nothing of LD_LIBRARY_PATH or conda.
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
