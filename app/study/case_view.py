"""What the window draws, memory-mapped from the ``view/`` files of a case folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.errors import StorageError

VIEW_FOLDER = "view"


@dataclass(frozen=True, slots=True)
class Surface:
    """The fsaverage5 mesh of one hemisphere with its parcels, in template mm."""

    pial_mm: Floats  # (vertex, 3)
    inflated_mm: Floats  # (vertex, 3)
    faces: Ints  # (face, 3)
    sulc: Floats  # (vertex,)
    labels: Ints  # (vertex,), 1-based parcel, 0 none


@dataclass(frozen=True, slots=True)
class CaseView:
    """Arrays behind slices, surface and carpet; None where a stage did not come that far.

    The masks and the signal-to-noise map are missing from cases of earlier versions, the latter
    also where the run was preprocessed elsewhere. All are read-only; volumes and carpets are
    memory-mapped, so opening costs nothing and a slice reads only what it shows.
    """

    template_name: str
    affine: Floats | None  # (4, 4), voxel of the 2 mm grid -> template mm
    template: Ints | None  # (x, y, z) uint8
    boldref: Floats | None  # (x, y, z), the participant in the template
    labels: Ints | None  # (x, y, z) int16, 1-based parcel, 0 outside
    mask: Bools | None  # (x, y, z), the participant's brain mask in the template
    template_mask: Bools | None  # (x, y, z), the template's own
    tsnr: Floats | None  # (x, y, z) mean / standard deviation in time, 0 outside the mask
    native_affine: Floats | None  # (4, 4), voxel -> scanner mm
    native_boldref: Floats | None  # (x, y, z) of the scanner's grid, RAS+
    native_mask: Bools | None
    surfaces: dict[str, Surface]  # "left", "right"; empty if absent
    carpet_before: Floats | None  # (row, frame)
    carpet_after: Floats | None  # (row, frame)
    carpet_rows: Ints | None  # (row,), 0-based parcel index


def open_view(folder: Path) -> CaseView:
    """Open the ``view/`` files of a case folder.

    Raises
    ------
    StorageError
        A file is there but cannot be read.
    """
    view = folder / VIEW_FOLDER
    try:
        facts = _facts(view / "view.json")
        native = _facts(view / "native.json")
        return CaseView(
            template_name=str(facts.get("template", "")),
            affine=_affine(facts),
            template=_mapped(view / "template.npy"),
            boldref=_mapped(view / "boldref.npy"),
            labels=_mapped(view / "labels.npy"),
            mask=_mapped(view / "mask.npy"),
            template_mask=_mapped(view / "template_mask.npy"),
            tsnr=_mapped(view / "tsnr.npy"),
            native_affine=_affine(native),
            native_boldref=_mapped(view / "native_boldref.npy"),
            native_mask=_mapped(view / "native_mask.npy"),
            surfaces=_surfaces(view / "surface.npz"),
            carpet_before=_mapped(view / "carpet_before.npy"),
            carpet_after=_mapped(view / "carpet_after.npy"),
            carpet_rows=_mapped(view / "carpet_rows.npy"),
        )
    except (OSError, ValueError, KeyError, EOFError) as fault:
        raise StorageError(
            "The pictures of this case cannot be read.",
            "Run the analysis again; a file in the case folder was changed.",
            code="study.view_damaged",
        ) from fault


def _mapped(path: Path) -> Any:
    """Memory-mapped array, or None when there is no such file."""
    if not path.is_file():
        return None
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    facts = json.loads(path.read_bytes())
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    return facts


def _affine(facts: dict[str, Any]) -> Floats | None:
    if "affine" not in facts:
        return None
    affine = np.asarray(facts["affine"], dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("affine is not a finite 4 x 4 matrix")
    return frozen(affine)


def _surfaces(path: Path) -> dict[str, Surface]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {
            side: Surface(
                frozen(stored[f"pial_{side}"]),
                frozen(stored[f"inflated_{side}"]),
                frozen(stored[f"faces_{side}"]),
                frozen(stored[f"sulc_{side}"]),
                frozen(stored[f"labels_{side}"]),
            )
            for side in ("left", "right")
        }
