"""What the window draws, memory-mapped from the ``view/`` files of a case folder."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.errors import StorageError

VIEW_FOLDER = "view"
TRANSFORM_ENDING = "_mode-image_xfm.npz"


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


def is_drawn(name: str) -> bool:
    """Whether a file of a case, by its name there, is what the window or a report draws from."""
    return name.startswith(f"{VIEW_FOLDER}/") or name.endswith(TRANSFORM_ENDING)


def open_view(folder: Path, whole: Collection[str] | None = None) -> CaseView:
    """Open the ``view/`` files of a case folder.

    Parameters
    ----------
    whole
        Names, in the case folder, of the files that are as they were written: no other one is
        read. None reads whatever lies there.

    Raises
    ------
    StorageError
        A file is there but cannot be read.
    """

    def place(name: str) -> Path | None:
        listed = f"{VIEW_FOLDER}/{name}"
        path = folder / listed
        return path if (whole is None or listed in whole) and path.is_file() else None

    try:
        facts = _facts(place("view.json"))
        native = _facts(place("native.json"))
        return CaseView(
            template_name=str(facts.get("template", "")),
            affine=_affine(facts),
            template=_mapped(place("template.npy")),
            boldref=_mapped(place("boldref.npy")),
            labels=_mapped(place("labels.npy")),
            mask=_mapped(place("mask.npy")),
            template_mask=_mapped(place("template_mask.npy")),
            tsnr=_mapped(place("tsnr.npy")),
            native_affine=_affine(native),
            native_boldref=_mapped(place("native_boldref.npy")),
            native_mask=_mapped(place("native_mask.npy")),
            surfaces=_surfaces(place("surface.npz")),
            carpet_before=_mapped(place("carpet_before.npy")),
            carpet_after=_mapped(place("carpet_after.npy")),
            carpet_rows=_mapped(place("carpet_rows.npy")),
        )
    except (OSError, ValueError, KeyError, EOFError) as fault:
        raise StorageError(
            "The pictures of this case cannot be read.",
            "Run the analysis again; a file in the case folder was changed.",
            code="study.view_damaged",
        ) from fault


def _mapped(path: Path | None) -> Any:
    """Memory-mapped array, or None when there is no such file."""
    if path is None:
        return None
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _facts(path: Path | None) -> dict[str, Any]:
    if path is None:
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


def _surfaces(path: Path | None) -> dict[str, Surface]:
    if path is None:
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
