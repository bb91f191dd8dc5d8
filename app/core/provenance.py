"""Hashes and version facts that tie a result to what it was made from."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__

PACKAGES = ("numpy", "scipy", "nibabel", "nilearn", "antspyx", "torch", "captum", "numba")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return files_sha256(path)


def files_sha256(*paths: Path) -> str:
    """SHA-256 of the bytes of several files, one after the other, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as handle:
            while piece := handle.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def array_sha256(*arrays: Any) -> str:
    """SHA-256 over dtype, shape and bytes of the arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        contiguous = np.ascontiguousarray(array)
        digest.update(f"{contiguous.dtype.str}{contiguous.shape}".encode())
        digest.update(contiguous.tobytes())
    return digest.hexdigest()


def record_sha256(record: Any) -> str:
    """SHA-256 of a JSON-able record in one canonical spelling."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def step_seed(run_seed: int, scan_sha256: str, step: str) -> int:
    """Seed of one step; depends on the run and the scan, never on the order of work."""
    text = f"{run_seed}|{scan_sha256}|{step}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") & 0x7FFFFFFF


def software_versions() -> dict[str, str]:
    """Versions of this program, Python and the packages that change numbers."""
    versions = {"neuroresponder": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    versions["platform"] = platform.platform(terse=True)
    return versions
