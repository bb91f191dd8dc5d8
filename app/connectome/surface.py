"""The fsaverage5 surface with one parcel per vertex, in the template's millimetres.

fsaverage lies in MNI305. FreeSurfer documents the affine to MNI152 (`MNI305_TO_MNI152`),
derived from its ``average/mni152.register.dat``; it is named in every output.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.connectome.atlases import Atlas, load_atlas, package_file
from app.core.arrays import Floats, frozen
from app.core.caches import Arrays, cached_arrays
from app.core.provenance import file_sha256

# FreeSurfer wiki, CoordinateSystems, use case 8 (surfer.nmr.mgh.harvard.edu/fswiki).
MNI305_TO_MNI152 = frozen(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
        [0.0, 0.0, 0.0, 1.0],
    ],
    np.float64,
)
MNI305_TO_MNI152_SOURCE = "FreeSurfer wiki CoordinateSystems, 8 (average/mni152.register.dat)"
RIBBON_DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)  # from white (0) to pial (1)
SEARCH_RADIUS_MM = 3.0  # a vertex whose ribbon misses the atlas takes the nearest voxel
MEDIAL_GAP_MM = 4.0  # between the inflated halves, which have no common place of their own
_METHOD = "fsaverage5-v1"  # part of the cache key: change it when the derivation changes
_SIDES = {"left": "L", "right": "R"}
_FOLDER = "datasets/data/fsaverage5"


@lru_cache(maxsize=2)
def _load(atlas_name: str) -> tuple[tuple[str, NDArray[Any]], ...]:
    files = {
        f"{kind}_{side}": package_file("nilearn", f"{_FOLDER}/{kind}_{side}.gii.gz")
        for kind in ("white", "pial", "infl", "sulc")
        for side in _SIDES
    }
    atlas = load_atlas(atlas_name)
    hashes = [file_sha256(path) for path in files.values()]
    kept = cached_arrays(
        f"surface-{atlas_name}",
        "|".join([_METHOD, atlas.sha256, str(RIBBON_DEPTHS), str(SEARCH_RADIUS_MM), *hashes]),
        lambda: derive(files, atlas),
    )
    return tuple(kept.items())


def load_fsaverage5(atlas: Atlas) -> dict[str, NDArray[Any]]:
    """Meshes and parcel labels of fsaverage5 for an atlas.

    Returns
    -------
    dict
        Per side (``left``, ``right``): ``pial_`` and ``white_`` float32 (vertex, 3), template
        mm; ``inflated_`` float32 (vertex, 3), mm, moved apart sideways so that the halves do
        not overlap; ``faces_`` int32 (face, 3); ``sulc_`` float32 (vertex,), negative on
        gyri; ``labels_`` int16 (vertex,), 1-based parcel, 0 none.

    Raises
    ------
    AppError
        ``connectome.package_missing``.
    """
    return dict(_load(atlas.name))


def derive(files: dict[str, Path], atlas: Atlas) -> Arrays:
    """Read the meshes, bring them to the template and label their vertices."""
    result: Arrays = {}
    for side, letter in _SIDES.items():
        white, faces = _mesh(files[f"white_{side}"])
        pial, _ = _mesh(files[f"pial_{side}"])
        inflated, _ = _mesh(files[f"infl_{side}"])
        white, pial = to_template(white), to_template(pial)
        if letter == "L":
            inflated[:, 0] -= inflated[:, 0].max() + MEDIAL_GAP_MM / 2
        else:
            inflated[:, 0] -= inflated[:, 0].min() - MEDIAL_GAP_MM / 2
        result[f"white_{side}"] = white.astype(np.float32)
        result[f"pial_{side}"] = pial.astype(np.float32)
        result[f"inflated_{side}"] = inflated.astype(np.float32)
        result[f"faces_{side}"] = faces.astype(np.int32)
        result[f"sulc_{side}"] = _values(files[f"sulc_{side}"])
        result[f"labels_{side}"] = vertex_labels(white, pial, atlas, letter)
    return result


def to_template(points_mm: Floats) -> NDArray[np.float64]:
    """MNI305 mm (fsaverage) to MNI152 mm, (point, 3), by `MNI305_TO_MNI152`."""
    return np.asarray(points_mm @ MNI305_TO_MNI152[:3, :3].T + MNI305_TO_MNI152[:3, 3])


def vertex_labels(white: Floats, pial: Floats, atlas: Atlas, side: str) -> NDArray[np.int16]:
    """Parcel of each vertex, (vertex,) int16, 1-based, 0 = none.

    The atlas is sampled (nearest voxel) at `RIBBON_DEPTHS` between white and pial; the label
    met most often wins, on a tie the one met nearest to mid-depth. Only cortical parcels of
    the same hemisphere count, so a vertex near the midline never takes the other side's
    label. A vertex that meets none takes the nearest voxel within `SEARCH_RADIUS_MM`.
    """
    from scipy.spatial import cKDTree

    volume = np.asarray(atlas.labels_fine.data)
    affine = np.asarray(atlas.labels_fine.affine)
    origin, size = affine[:3, 3], affine[0, 0]  # RAS+, cubes: voxel = (mm - origin) / size
    allowed = np.zeros(len(atlas.parcel_names) + 1, dtype=bool)
    allowed[1 : atlas.cortical_count + 1] = [
        hemisphere == side for hemisphere in atlas.hemispheres[: atlas.cortical_count]
    ]
    votes = np.zeros((white.shape[0], allowed.size), dtype=np.float32)
    vertex = np.arange(white.shape[0])
    for depth in RIBBON_DEPTHS:
        voxel = np.rint((white + depth * (pial - white) - origin) / size).astype(np.intp)
        voxel = np.clip(voxel, 0, np.array(volume.shape) - 1)
        met = volume[voxel[:, 0], voxel[:, 1], voxel[:, 2]]
        votes[vertex, met] += 1.0 + 0.1 * (0.5 - abs(depth - 0.5))
    votes[:, ~allowed] = 0.0
    labels = np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), 0)
    voxels = np.argwhere(allowed[volume])
    missing = np.flatnonzero(labels == 0)
    middle = (0.5 * (white + pial))[missing]
    distance, nearest = cKDTree(voxels * size + origin).query(
        middle, distance_upper_bound=SEARCH_RADIUS_MM
    )
    found = np.isfinite(distance)
    where = voxels[nearest[found]]
    labels[missing[found]] = volume[where[:, 0], where[:, 1], where[:, 2]]
    return labels.astype(np.int16)


def _mesh(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    import nibabel

    image: Any = nibabel.load(path)
    points, faces = image.agg_data(("pointset", "triangle"))
    return np.array(points, dtype=np.float64), np.array(faces, dtype=np.int32)


def _values(path: Path) -> NDArray[np.float32]:
    import nibabel

    image: Any = nibabel.load(path)
    return np.array(image.agg_data(), dtype=np.float32)
