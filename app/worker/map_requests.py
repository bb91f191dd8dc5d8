"""Jobs about maps, as the window asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Floats
from app.worker.protocol import Job
from app.worker.requests import new_job_id

MAP_LIMIT_S = 300.0


def open_maps_job(
    paths: list[Path],
    grids: list[dict[str, Any]],
    scratch: Path,
    vertices: Mapping[str, int] | None = None,
) -> Job:
    """Decode maps and bring them onto pictures; answers ``maps``, a list of facts.

    `grids` are made by `grid_of`; `vertices` says how many the drawn surface has on each side.
    """
    arguments = {
        "paths": [str(path.absolute()) for path in paths],
        "grids": grids,
        "scratch": str(scratch),
        "vertices": dict(vertices or {}),
    }
    return Job("open_maps", arguments, new_job_id(), time_limit_s=MAP_LIMIT_S)


def grid_of(space: str, shape: tuple[int, ...], affine: Floats) -> dict[str, Any]:
    """A picture's place, as plain values."""
    return {
        "space": space,
        "shape": [int(n) for n in shape[:3]],
        "affine": np.asarray(affine, dtype=float).tolist(),
    }


def seed_map_job(
    volumes: Path,
    affine: Floats,
    centre_mm: tuple[float, float, float],
    used: list[int],
    mask: Path | None,
    scratch: Path,
) -> Job:
    """Correlate every voxel with a sphere; answers ``maps``, like `open_maps_job`.

    Parameters
    ----------
    volumes
        The decoded run, ``.npy``.
    used
        Numbers of the volumes that count; empty = all.
    mask
        ``.npy`` of the brain on the same grid; None = what is bright.
    """
    arguments = {
        "volumes": str(volumes),
        "affine": np.asarray(affine, dtype=float).tolist(),
        "centre_mm": [float(v) for v in centre_mm],
        "used": used,
        "mask": None if mask is None else str(mask),
        "scratch": str(scratch),
    }
    return Job("seed_map", arguments, new_job_id(), time_limit_s=MAP_LIMIT_S)


def export_parcel_map_job(
    case_folder: Path, target: Path, values: Floats, facts: dict[str, Any]
) -> Job:
    """Write one value a parcel as NIfTI, GIfTI and TSV; answers ``written``, file names.

    `facts` say what the map is: see `app.analysis.map_export.export_parcel_map`.
    """
    numbers = [float(v) if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]
    arguments = {
        "case_folder": str(case_folder.absolute()),
        "target": str(target.absolute()),
        "values": numbers,
        "facts": facts,
    }
    return Job("export_map", arguments, new_job_id(), time_limit_s=MAP_LIMIT_S)
