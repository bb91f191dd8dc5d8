"""The only place that touches ants: images in, transforms out, LPS and RAS kept straight.

ITK's world is LPS (x to the left, y to the back); ours is RAS. Every crossing goes through
`_FLIP`. ants is imported on first use, single-threaded: ITK's threaded metrics do not give the
same bits twice.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import PreprocessingError
from app.core.folders import private_prefix
from app.core.images import Image3D
from app.preprocessing.geometry import is_orthogonal, voxel_sizes_mm

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"


def import_ants() -> Any:
    """The ants module, with ITK held to one thread.

    Raises
    ------
    PreprocessingError
        ants is not installed, or was imported before with more than one thread.
    """
    if "ants" in sys.modules and os.environ.get(_THREADS) != "1":
        raise PreprocessingError(
            "The registration library was loaded with more than one thread.",
            f"Set {_THREADS}=1 before the program starts.",
            code="preprocessing.ants_threads",
        )
    os.environ[_THREADS] = "1"
    try:
        import ants
    except ImportError as error:
        raise PreprocessingError(
            "The registration library (antspyx) cannot be loaded.",
            "Install the program again with its own set-up.",
            code="preprocessing.ants_missing",
        ) from error
    return ants


def to_ants(data: Floats | Ints | Bools, affine: Floats) -> Any:
    """An ants image of a volume (x, y, z) float32 on a right-angled grid."""
    ants = import_ants()
    lps = _FLIP @ affine
    spacing = voxel_sizes_mm(affine)
    # The nearest rotation: ITK wants exact right angles, a header has single precision.
    left, _, right = np.linalg.svd(lps[:3, :3] / spacing)
    return ants.from_numpy(
        np.ascontiguousarray(data, dtype=np.float32),
        origin=tuple(float(value) for value in lps[:3, 3]),
        spacing=tuple(float(value) for value in spacing),
        direction=left @ right,
    )


def correct_bias(image: Image3D, mask: Bools) -> Floats:
    """Volume divided by its smooth intensity bias (N4, shrink 4, two short levels), float32.

    Tustison et al. 2010, doi 10.1109/TMI.2010.2046908.
    """
    ants = import_ants()
    floor = 1e-3 * float(np.percentile(image.data, 99.0))
    positive = np.maximum(np.asarray(image.data, np.float32), np.float32(floor))
    if not is_orthogonal(image.affine):
        grid = np.diag([*voxel_sizes_mm(image.affine), 1.0])  # bias is smooth: shape is enough
    else:
        grid = image.affine
    corrected = ants.n4_bias_field_correction(
        to_ants(positive, grid),
        mask=to_ants(mask, grid),
        shrink_factor=max(min(4, min(image.data.shape) // 8), 1),
        convergence={"iters": [25, 25], "tol": 1e-6},
        spline_param=200,
    )
    return np.asarray(corrected.numpy(), np.float32)


def affine_registration(
    fixed: Image3D, moving: Image3D, fixed_mask: Bools, start: Floats, seed: int
) -> Floats:
    """Affine of best mutual information: fixed mm -> moving mm, (4, 4).

    Parameters
    ----------
    start
        (4, 4) first guess, fixed mm -> moving mm.
    """
    return _linear_map(
        fixed,
        moving,
        start,
        seed,
        type_of_transform="Affine",
        aff_iterations=(200, 100),
        aff_shrink_factors=(2, 1),
        aff_smoothing_sigmas=(1, 0),
        **_masked(fixed, fixed_mask),
    )


def rigid_registration(
    fixed: Image3D,
    moving: Image3D,
    start: Floats,
    seed: int,
    *,
    kind: str = "Rigid",
    fixed_mask: Bools | None = None,
) -> Floats:
    """Rigid map of best mutual information: fixed mm -> moving mm, (4, 4).

    Parameters
    ----------
    start
        (4, 4) first guess, fixed mm -> moving mm.
    kind
        ants' "Rigid", or "BOLDRigid" between frames of one run.
    fixed_mask
        Where the two are compared; default: everywhere.
    """
    options = {} if fixed_mask is None else _masked(fixed, fixed_mask)
    return nearest_rigid(_linear_map(fixed, moving, start, seed, type_of_transform=kind, **options))


def nearest_rigid(matrix: Floats) -> Floats:
    """The rotation nearest to a (4, 4) map's linear part, with its translation."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    result = np.array(matrix)
    result[:3, :3] = left @ right
    return result


def _masked(fixed: Image3D, mask: Bools) -> dict[str, Any]:
    """ants' arguments that compare two images only where the mask of the fixed one is set."""
    return {"mask": to_ants(mask, fixed.affine), "mask_all_stages": True}


def _linear_map(
    fixed: Image3D, moving: Image3D, start: Floats, seed: int, **arguments: Any
) -> Floats:
    """One linear registration by mutual information: fixed mm -> moving mm, (4, 4)."""
    ants = import_ants()
    with tempfile.TemporaryDirectory(prefix=private_prefix()) as folder:
        first = Path(folder) / "start.mat"
        ants.write_transform(_to_itk_affine(ants, start), str(first))
        _run(
            ants,
            seed,
            fixed=to_ants(fixed.data, fixed.affine),
            moving=to_ants(moving.data, moving.affine),
            initial_transform=[str(first)],
            aff_metric="mattes",
            aff_sampling=32,
            aff_random_sampling_rate=0.4,
            outprefix=str(Path(folder) / "found_"),
            **arguments,
        )
        matrix = np.eye(4)
        # ants may write the start apart from what it found
        for path in sorted(Path(folder).glob("found_*GenericAffine.mat")):
            matrix = matrix @ _from_itk_affine(ants.read_transform(str(path)))
    return matrix


def _run(ants: Any, seed: int, **arguments: Any) -> None:
    """One registration with a fixed seed; ants' global seed is put back afterwards."""
    before = ants.config._random_seed
    ants.config._random_seed = seed % (2**31 - 1) + 1
    try:
        ants.registration(**arguments)
    except RuntimeError as error:
        raise PreprocessingError(
            "The registration to the template failed.",
            "Check that the scan shows a whole head; see the quality page.",
            code="preprocessing.registration_failed",
        ) from error
    finally:
        ants.config._random_seed = before


def _to_itk_affine(ants: Any, matrix: Floats) -> Any:
    """An ITK affine (LPS, centre 0) of a RAS matrix."""
    lps = _FLIP @ matrix @ _FLIP
    transform = ants.new_ants_transform(transform_type="AffineTransform", dimension=3)
    transform.set_parameters(np.concatenate([lps[:3, :3].ravel(), lps[:3, 3]]))
    transform.set_fixed_parameters(np.zeros(3))
    return transform


def _from_itk_affine(transform: Any) -> Floats:
    """RAS matrix of an ITK matrix-offset transform: ``y = M (x - c) + c + t`` in LPS."""
    parameters = np.asarray(transform.parameters, np.float64)
    centre = np.asarray(transform.fixed_parameters, np.float64)[:3]
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = parameters[9:] + centre - matrix[:3, :3] @ centre
    return np.asarray(_FLIP @ matrix @ _FLIP)
