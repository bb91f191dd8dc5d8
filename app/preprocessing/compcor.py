"""Principal components of noise (CompCor), under fMRIPrep's column names.

Behzadi 2007, doi 10.1016/j.neuroimage.2007.04.042: the slow cosines are taken out, each voxel is
scaled to unit variance, and as many left singular vectors are kept as explain half of the
variance. Anatomical: voxels that are surely CSF, white matter, or either. Temporal: the 2 % of
brain voxels that vary most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats, Ints

VARIANCE_KEPT = 0.5
MOST_COMPONENTS = 50
TEMPORAL_SHARE = 0.02
LEAST_VOXELS = 20


@dataclass(frozen=True, slots=True)
class CompCor:
    """Columns and what fMRIPrep's JSON says about each."""

    columns: dict[str, Floats]  # name -> (frame,), unit length
    facts: dict[str, dict[str, object]]


def compcor(
    brain_voxels: Floats, tissue_voxels: Floats, group_of_voxel: Ints, slow: dict[str, Floats]
) -> CompCor:
    """Components of the combined, CSF, white matter and most varying voxels.

    Parameters
    ----------
    brain_voxels
        (frame, voxel) motion-corrected values spread over the brain.
    tissue_voxels, group_of_voxel
        (frame, voxel) and (voxel,): 0 is white matter, 1 CSF.
    slow
        The discrete cosines that are taken out first, name -> (frame,).
    """
    basis = np.column_stack([np.ones(len(brain_voxels)), *slow.values()])
    basis = np.linalg.qr(basis)[0]
    found = CompCor({}, {})
    white, csf = tissue_voxels[:, group_of_voxel == 0], tissue_voxels[:, group_of_voxel == 1]
    for prefix, mask, voxels in (
        ("a", "combined", tissue_voxels),
        ("c", "CSF", csf),
        ("w", "WM", white),
    ):
        _add(found, prefix, "aCompCor", mask, _without(voxels, basis))
    rest = _without(brain_voxels, basis)
    spread = rest.std(axis=0)
    count = max(int(TEMPORAL_SHARE * spread.size), min(LEAST_VOXELS, spread.size))
    chosen = np.sort(np.argsort(-spread, kind="stable")[:count])
    _add(found, "t", "tCompCor", "", rest[:, chosen])
    return found


def _without(voxels: Floats, basis: Floats) -> Floats:
    values = np.asarray(voxels, np.float64)
    return np.asarray(values - basis @ (basis.T @ values))


def _add(found: CompCor, prefix: str, method: str, mask: str, voxels: Floats) -> None:
    spread = voxels.std(axis=0)
    alive = spread > 0
    if int(alive.sum()) < LEAST_VOXELS:
        return
    scaled = voxels[:, alive] / spread[alive]
    # The frame-by-frame product has the same left vectors, and frames are few.
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    share = values / values.sum()
    cumulative = np.cumsum(share)
    count = min(int(np.searchsorted(cumulative, VARIANCE_KEPT)) + 1, MOST_COMPONENTS)
    for index in range(count):
        vector = vectors[:, index]
        # An eigenvector's sign is arbitrary: its largest entry is positive here.
        vector = vector * np.sign(vector[np.argmax(np.abs(vector))])
        name = f"{prefix}_comp_cor_{index:02d}"
        found.columns[name] = np.asarray(vector)
        found.facts[name] = {
            "Method": method,
            "Retained": True,
            "SingularValue": float(np.sqrt(values[index])),
            "VarianceExplained": float(share[index]),
            "CumulativeVarianceExplained": float(cumulative[index]),
            **({"Mask": mask} if mask else {}),
        }
