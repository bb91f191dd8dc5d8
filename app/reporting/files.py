"""The report's own small reader of a case folder's ``view/`` files.

Every file is optional: an absent or damaged one makes its figure say so in its place, it never
stops the report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Floats, Ints, frozen

GRID_FILES = ("template.npy", "boldref.npy", "labels.npy")


@dataclass(frozen=True, slots=True)
class ViewFiles:
    """What the figures draw from; None where a file is missing."""

    affine: Floats | None = None  # (4, 4), voxel -> template mm
    template_name: str = ""
    template: Ints | None = None  # (x, y, z)
    boldref: Floats | None = None  # (x, y, z)
    labels: Ints | None = None  # (x, y, z), 1-based parcel, 0 outside
    surface: Mapping[str, Any] = field(default_factory=dict)
    carpet_before: Floats | None = None  # (row, frame)
    carpet_after: Floats | None = None
    carpet_rows: Ints | None = None  # (row,), 0-based parcel


def _array(path: Path, dimensions: int) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.ndim == dimensions else None


def _to_ras(array: Any, affine: Floats) -> Any:
    """Permute and flip so that axes run right, front, up, as the (diagonal) affine says."""
    if array is None:
        return None
    order = [int(np.argmax(np.abs(affine[axis, :3]))) for axis in range(3)]
    turned = np.transpose(array, order)
    for axis, source in enumerate(order):
        if affine[axis, source] < 0:
            turned = np.flip(turned, axis)
    return frozen(turned)


def _ras_affine(affine: Floats, shape: tuple[int, ...]) -> Floats:
    """Affine of the array that `_to_ras` gives."""
    order = [int(np.argmax(np.abs(affine[axis, :3]))) for axis in range(3)]
    result = np.eye(4)
    for axis, source in enumerate(order):
        step = float(affine[axis, source])
        start = float(affine[axis, 3])
        result[axis, axis] = abs(step)
        result[axis, 3] = start if step > 0 else start + step * (shape[source] - 1)
    return result


def read_view(case_folder: Path) -> ViewFiles:
    """Read ``<case_folder>/view/``; volumes come back in RAS+ order, memory-mapped."""
    view = case_folder / "view"
    try:
        facts = json.loads((view / "view.json").read_text(encoding="utf-8"))
        affine = np.asarray(facts["affine"], dtype=np.float64)
        name = str(facts.get("template", ""))
        if affine.shape != (4, 4):
            raise ValueError("affine is not 4 x 4")
    except (OSError, ValueError, KeyError, TypeError):
        affine, name = None, ""
    volumes = [_array(view / file, 3) for file in GRID_FILES]
    known = [volume for volume in volumes if volume is not None]
    if affine is None or not known or any(v.shape != known[0].shape for v in known):
        volumes, ras = [None, None, None], None
    else:
        ras = frozen(_ras_affine(affine, known[0].shape))
        volumes = [_to_ras(volume, affine) for volume in volumes]
    try:
        with np.load(view / "surface.npz", allow_pickle=False) as stored:
            surface = {key: frozen(stored[key]) for key in stored.files}
    except (OSError, ValueError, EOFError):
        surface = {}
    return ViewFiles(
        ras,
        name,
        volumes[0],
        volumes[1],
        volumes[2],
        surface,
        _array(view / "carpet_before.npy", 2),
        _array(view / "carpet_after.npy", 2),
        _array(view / "carpet_rows.npy", 1),
    )
