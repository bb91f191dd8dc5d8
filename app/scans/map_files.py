"""Maps and masks from files, brought onto the grid of the picture that they lie on.

Nothing is guessed about the space: it is what the file's name or sidecar says, else what the
header's code says, else that of a picture with exactly the same grid. Otherwise the map is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Floats
from app.core.errors import ScanError
from app.scans.volume import StoredVolume, decode_volume

SCANNER = "scanner"
_SCANNER_NAMES = ("scanner", "native", "individual", "boldref", "bold", "func", "T1w", "anat")
_ENTITY = re.compile(r"(?:^|_)space-([A-Za-z0-9]+)")
_MAXIMUM_SIDECAR_BYTES = 1 << 20
_SCANNER_CODE, _TALAIRACH_CODE, _MNI_CODE = 1, 3, 4
_MOST_LABELS = 2000
_SAME_MM = 0.01  # grids whose corners differ less are the same


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a picture lies."""

    space: str  # the template's name, or "scanner"
    shape: tuple[int, int, int]
    affine: Floats  # (4, 4), voxel -> mm


@dataclass(frozen=True, slots=True)
class PlacedMap:
    """A map on the grid of a picture."""

    sha256: str  # of the file
    name: str  # the file's name without its ending
    space: str
    values: NDArray[np.float32]  # (x, y, z) on the grid; 0 outside and where there was no number
    kind: str  # "map", "mask" (0 and one other value) or "labels" (whole positive numbers)
    unit: str
    notes: tuple[str, ...]  # how it was brought here, for the reader


def read_map(path: Path, grids: tuple[Grid, ...]) -> PlacedMap:
    """Open a NIfTI map or mask and bring it onto the picture that lies in its space.

    Raises
    ------
    ScanError
        What is wrong with the file, ``map.space_unknown``, ``map.other_space``,
        ``map.no_picture`` or ``map.outside``.
    """
    stored = decode_volume(path, "The map", hashed=True)
    sidecar = _sidecar(path)
    grid, notes = _place(stored, _named_space(path, sidecar), grids)
    data = np.asarray(stored.data)
    there = np.isfinite(data)
    if not there.all():
        data = np.where(there, data, 0.0)
    distinct = np.unique(data[data != 0])
    mask = distinct.size == 1
    whole = np.issubdtype(stored.data.dtype, np.integer)
    labels = mask or (whole and distinct.size < _MOST_LABELS)
    if not _same_grid(stored, grid):
        way = "nearest neighbour" if labels else "linear interpolation"
        mm = " x ".join(f"{s:g}" for s in np.round(_size_mm(stored.affine), 2))
        target = " x ".join(f"{s:g}" for s in np.round(_size_mm(grid.affine), 2))
        notes.append(
            f"On another grid ({mm} mm): brought onto the picture's ({target} mm) by {way}."
        )
        data = on_grid(data, stored.affine, grid, order=0 if labels else 1)
    values = np.ascontiguousarray(data, dtype=np.float32)
    if not values.any():
        raise ScanError(
            "Nothing of the map lies inside the picture.",
            "Check that it belongs to this participant or this template.",
            code="map.outside",
        )
    unit = sidecar.get("Units")
    return PlacedMap(
        stored.sha256,
        re.sub(r"\.nii(\.gz)?$", "", path.name),
        grid.space,
        values,
        "mask" if mask else "labels" if labels and (distinct > 0).all() else "map",
        unit[:24] if isinstance(unit, str) else "no unit stated",
        tuple(notes),
    )


def on_grid(data: NDArray[Any], affine: Floats, grid: Grid, *, order: int) -> NDArray[np.float32]:
    """Sample a volume at the voxels of a grid; 0 outside.

    Parameters
    ----------
    order
        0 nearest neighbour, 1 linear.
    """
    from scipy.ndimage import affine_transform

    to_source = np.linalg.inv(affine) @ grid.affine
    found: NDArray[np.float32] = affine_transform(
        data.astype(np.float32),
        to_source[:3, :3],
        to_source[:3, 3],
        output_shape=grid.shape,
        order=order,
        mode="constant",
        cval=0.0,
        prefilter=False,
    )
    return found


def _place(stored: StoredVolume, named: str, grids: tuple[Grid, ...]) -> tuple[Grid, list[str]]:
    """The picture that the map lies on, and what the reader must know."""
    code = stored.sform_code if stored.sform_code > 0 else stored.qform_code
    if code <= 0:
        raise ScanError(
            "The map's header does not say how it lies: left and right are unknown.",
            "Save it again with the program that made it.",
            code="scan.orientation_unknown",
        )
    scanner = [g for g in grids if g.space == SCANNER]
    template = [g for g in grids if g.space != SCANNER]
    same = next((g for g in grids if _same_grid(stored, g)), None)
    if named in _SCANNER_NAMES or (not named and code == _SCANNER_CODE and same is None):
        return _first(scanner, "the scanner's space"), []
    if named:
        if not named.startswith("MNI"):
            raise _other_space(named)
        grid = _first(template, f"the template {named}")
        if named == grid.space:
            return grid, []
        return grid, [
            f"The map is in {named}, the picture in {grid.space}: shown without a transform, "
            "places may differ by some millimetres."
        ]
    if code == _TALAIRACH_CODE:
        raise _other_space("Talairach space")
    if code == _MNI_CODE:
        grid = _first(template, "an MNI template")
        exact = same is not None and same.space == grid.space
        if exact:
            return grid, ["The file does not name its MNI template; its grid is the picture's."]
        return grid, [
            f"The file does not say which MNI template it is in; shown in {grid.space}, places "
            "may differ by some millimetres."
        ]
    if same is not None:
        return same, [f"The file does not name its space; its grid is that of {same.space}."]
    raise ScanError(
        "The file does not say in which space the map lies.",
        "Write it into the file's name, such as space-MNI152NLin2009cAsym or space-scanner.",
        code="map.space_unknown",
    )


def _first(grids: list[Grid], what: str) -> Grid:
    if not grids:
        raise ScanError(
            f"The map lies in {what}, where no picture is open.",
            "Open a scan or a case that has one.",
            code="map.no_picture",
        )
    return grids[0]


def _other_space(named: str) -> ScanError:
    return ScanError(
        f"The map lies in {named}, which no picture here is in.",
        "Transform it to the template, or to the participant's own space.",
        code="map.other_space",
    )


def _named_space(path: Path, sidecar: Mapping[str, Any]) -> str:
    found = _ENTITY.search(path.name)
    if found is not None:
        return found.group(1)
    for key in ("SpatialReference", "Space"):
        stated = sidecar.get(key)
        if isinstance(stated, str) and re.fullmatch("[A-Za-z0-9]{1,40}", stated):
            return stated
    return ""


def _sidecar(path: Path) -> dict[str, Any]:
    """The JSON beside the file; empty where there is none that can be read."""
    beside = path.with_name(re.sub(r"\.nii(\.gz)?$", ".json", path.name))
    try:
        if beside == path or beside.stat().st_size > _MAXIMUM_SIDECAR_BYTES:
            return {}
        found = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _same_grid(stored: StoredVolume, grid: Grid) -> bool:
    if tuple(stored.data.shape) != tuple(grid.shape):
        return False
    corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * np.array(
        [*(n - 1 for n in grid.shape), 1.0]
    )
    apart = corners @ (np.asarray(stored.affine) - np.asarray(grid.affine)).T
    return bool(np.abs(apart).max() < _SAME_MM)


def _size_mm(affine: Floats) -> Floats:
    size: Floats = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    return size
