"""dcm2niix as a child process: limited in time, memory and output, killed on cancel."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from app.core.errors import ScanError
from app.core.progress import Progress
from app.scans.faults import Fault

TIME_LIMIT_S = 300.0
MEMORY_SLACK_BYTES = 2 << 30
OUTPUT_SLACK_BYTES = 16 << 20
_LOOK_EVERY_S = 0.02
_MAXIMUM_SIDECAR_BYTES = 4 << 20
_OTHER_WAY = (
    "Export the series again, without compression if the archive offers that, or open it as NIfTI."
)


def run_converter(
    source: Path,
    out: Path,
    voxel_bytes: int,
    progress: Progress,
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> tuple[Path, dict[str, Any]]:
    """Convert a folder that holds one series.

    Parameters
    ----------
    source, out
        Private folders.
    voxel_bytes
        What the answer must hold; far more is refused while it is written.

    Returns
    -------
    tuple
        The one NIfTI file that came out, and what its sidecar says.

    Raises
    ------
    ScanError
        ``dicom.converter_missing``, ``dicom.converter_failed``, ``dicom.converter_died``,
        ``dicom.converter_time``, ``dicom.converter_split``.
    CancelledError
        The converter is dead.
    """
    command = [_binary(), "-g", "i", "-b", "y", "-ba", "y", "-z", "n", "-x", "n", "-p", "y",
               "-w", "2", "-f", "out", "-o", str(out), str(source)]  # fmt: skip
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it quotes file names and header values
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(out), "OMP_NUM_THREADS": "1"},
            cwd=out,
        )
    except OSError:
        raise _missing() from None
    try:
        _limit(process.pid, voxel_bytes)
        deadline = time.monotonic() + time_limit_s
        while process.poll() is None:
            progress.step(1.0, "Converting")
            if time.monotonic() > deadline:
                raise Fault(
                    "dicom.converter_time",
                    f"Converting took longer than {time_limit_s:.0f} s and was stopped.",
                    _OTHER_WAY,
                ).error()
            time.sleep(_LOOK_EVERY_S)
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
    return _answer(process.returncode, out)


def _answer(code: int, out: Path) -> tuple[Path, dict[str, Any]]:
    if code < 0:
        raise Fault("dicom.converter_died", "The converter crashed on this series: a file of it is "
                    "damaged.", _OTHER_WAY).error()  # fmt: skip
    images = sorted(out.glob("*.nii"))
    if len(images) > 1:
        raise Fault("dicom.converter_split", f"The series falls into {len(images)} images that do "
                    "not fit together.", _OTHER_WAY).error()  # fmt: skip
    if not images:
        raise Fault("dicom.converter_failed", "The converter found no image in this series.",
                    _OTHER_WAY).error()  # fmt: skip
    record: dict[str, Any] = {}
    sidecar = images[0].with_suffix(".json")
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if sidecar.stat().st_size <= _MAXIMUM_SIDECAR_BYTES:
            loaded = json.loads(sidecar.read_text(encoding="utf-8", errors="replace"))
            record = loaded if isinstance(loaded, dict) else {}
    return images[0], record


def _binary() -> str:
    """Path of the binary that the package brings; never one from the search path."""
    import importlib.util

    found = importlib.util.find_spec("dcm2niix")
    name = "dcm2niix.exe" if sys.platform == "win32" else "dcm2niix"
    for place in (found.submodule_search_locations or []) if found is not None else []:
        if (Path(place) / name).is_file():
            return str(Path(place) / name)
    raise _missing()


def _missing() -> ScanError:
    return Fault("dicom.converter_missing", "The DICOM converter is not installed or cannot run.",
                 "Install the program again with its own set-up.").error()  # fmt: skip


def _limit(pid: int, voxel_bytes: int) -> None:
    """Memory, file size and core dumps (Linux); the wall clock holds everywhere."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    output = 2 * voxel_bytes + OUTPUT_SLACK_BYTES
    memory = 6 * voxel_bytes + MEMORY_SLACK_BYTES
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, output),
        (resource.RLIMIT_AS, memory),
    ):
        with contextlib.suppress(OSError, ValueError):  # it has ended already
            resource.prlimit(pid, what, (limit, limit))
