"""Where the brain is in the reference image of a run."""

from __future__ import annotations

import warnings

import numpy as np

from app.core.arrays import Bools, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.preprocessing.ants_bridge import correct_bias
from app.preprocessing.geometry import voxel_sizes_mm
from app.preprocessing.spatial_map import warp_volume_to_scanner

LEAST_BRAIN_ML = 300.0
TEMPLATE_MARGIN_MM = 6.0


def make_brain_mask(boldref: Image3D) -> Image3D:
    """Brain mask of a boldref: N4 bias correction, then nilearn's histogram mask of EPI.

    Parameters
    ----------
    boldref
        Mean of the motion-corrected frames, scanner space.

    Returns
    -------
    Image3D
        (x, y, z) bool. `refine_brain_mask` tightens it once the template is registered.

    Raises
    ------
    PreprocessingError
        Less than 300 ml of brain: the image holds none, or only a part.
    """
    rough = np.asarray(boldref.data > 0.2 * np.percentile(boldref.data, 99.0))
    _check_volume(rough, boldref)
    mask = _epi_mask(correct_bias(boldref, rough), boldref)
    _check_volume(mask, boldref)
    return Image3D(frozen(mask), boldref.affine, boldref.space)


def refine_brain_mask(
    mask: Image3D, boldref: Image3D, spatial_map: SpatialMap, template_mask: Image3D
) -> Image3D:
    """Intersection of the EPI mask with the dilated template mask brought back to the scan.

    The EPI mask knows where there is signal, the template where there is brain: skull, eyes
    and neck fall out, and regions lost to drop-out are not put back.
    """
    from scipy import ndimage

    steps = max(round(TEMPLATE_MARGIN_MM / float(voxel_sizes_mm(template_mask.affine).mean())), 1)
    wide = ndimage.binary_dilation(np.asarray(template_mask.data, bool), iterations=steps)
    back = warp_volume_to_scanner(
        Image3D(wide, template_mask.affine, template_mask.space), spatial_map, boldref, order=0
    )
    both = np.asarray(mask.data, bool) & back.data
    return Image3D(frozen(_largest(both)), boldref.affine, boldref.space)


def _epi_mask(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], like: Image3D) -> Bools:
    """nilearn's `compute_epi_mask` with holes filled."""
    import nibabel
    from nilearn.masking import compute_epi_mask
    from scipy import ndimage

    image = nibabel.Nifti1Image(values, like.affine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn warns of an empty mask; checked right after
        found = compute_epi_mask(image, opening=1, exclude_zeros=False)
    data = np.asarray(found.dataobj) > 0
    return np.asarray(ndimage.binary_fill_holes(_largest(data)), bool)


def _largest(mask: Bools) -> Bools:
    """Largest face-connected part of a mask."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count <= 1:
        return np.asarray(mask, bool)
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(labels == 1 + int(sizes.argmax()), bool)


def _check_volume(mask: Bools, boldref: Image3D) -> None:
    volume_ml = float(mask.sum()) * abs(float(np.linalg.det(boldref.affine[:3, :3]))) / 1000.0
    if volume_ml < LEAST_BRAIN_ML:
        raise PreprocessingError(
            f"Only {volume_ml:.0f} ml of brain-like signal were found.",
            "Check that the file is a functional run that covers the whole brain.",
            code="preprocessing.no_brain",
        )
