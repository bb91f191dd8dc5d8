"""Where the brain is in the reference image of a run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from app.core.arrays import Bools, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.progress import Progress
from app.preprocessing.ants_bridge import correct_bias
from app.preprocessing.geometry import dilated
from app.preprocessing.spatial_map import warp_volume_to_scanner

LEAST_BRAIN_ML = 300.0
MOST_BRAIN_ML = 3500.0  # with scalp and neck; more is the whole field of view
TEMPLATE_MARGIN_MM = 6.0


@dataclass(frozen=True, slots=True)
class FoundMask:
    """A brain mask and how it was found."""

    image: Image3D  # (x, y, z) bool, scanner space
    method: str
    volume_ml: float
    notes: tuple[str, ...] = ()  # every fallback, as a sentence


def find_brain_mask(boldref: Image3D, progress: Progress | None = None) -> FoundMask:
    """Brain mask of a boldref: N4 bias correction, then nilearn's histogram mask of EPI.

    Where N4 fails the image is used as it is; where the histogram mask fails (an impossible
    volume) a plain threshold is, until the template narrows it. Both are noted.

    Parameters
    ----------
    boldref
        Mean of the motion-corrected frames, scanner space.
    progress
        Told between the parts; a cancel takes hold there.

    Returns
    -------
    FoundMask
        `refine_brain_mask` tightens it once the template is registered.

    Raises
    ------
    PreprocessingError
        Less than 300 ml of brain: the image holds none, or only a part.
    """
    rough = np.asarray(boldref.data > 0.2 * np.percentile(boldref.data, 99.0))
    _check_volume(rough, boldref)
    notes = []
    method = "N4, histogram of EPI"
    try:
        corrected = correct_bias(boldref, rough)
    except RuntimeError:  # ITK's own errors
        corrected = np.asarray(boldref.data, np.float32)
        method = "histogram of EPI"
        notes.append("The intensity bias could not be corrected (N4); the mask is made without.")
    if progress is not None:
        progress.step(0.6, "Finding the brain")
    try:
        mask = _epi_mask(corrected, boldref)
        found_ml = _volume_ml(mask, boldref)
    except ValueError:  # nilearn finds no two classes
        mask, found_ml = rough, 0.0
    if not LEAST_BRAIN_ML <= found_ml <= MOST_BRAIN_ML:
        mask = _filled(_largest(rough))
        method = "threshold"
        notes.append(
            f"The histogram of the scan gave an impossible brain mask ({found_ml:.0f} ml); a "
            "threshold and the template's mask stand in for it."
        )
    _check_volume(mask, boldref)
    return FoundMask(
        Image3D(frozen(mask), boldref.affine, boldref.space),
        method,
        _volume_ml(mask, boldref),
        tuple(notes),
    )


def refine_brain_mask(
    found: FoundMask, boldref: Image3D, spatial_map: SpatialMap, template_mask: Image3D
) -> FoundMask:
    """Intersection of the EPI mask with the dilated template mask brought back to the scan.

    The EPI mask knows where there is signal, the template where there is brain: skull, eyes
    and neck fall out, and regions lost to drop-out are not put back. Where the two share less
    than 300 ml, the EPI mask stands alone and this is noted.
    """
    inside = np.asarray(template_mask.data, bool)
    wide = dilated(inside, template_mask.affine, TEMPLATE_MARGIN_MM)
    back = warp_volume_to_scanner(
        Image3D(wide, template_mask.affine, template_mask.space), spatial_map, boldref, order=0
    )
    both = _largest(np.asarray(found.image.data, bool) & back.data)
    shared_ml = _volume_ml(both, boldref)
    if shared_ml < LEAST_BRAIN_ML:
        note = "The template's mask and the scan's hardly meet; the scan's mask stands alone."
        return replace(found, notes=(*found.notes, note))
    return FoundMask(
        Image3D(frozen(both), boldref.affine, boldref.space),
        f"{found.method}; within the template's mask",
        shared_ml,
        found.notes,
    )


def _epi_mask(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], like: Image3D) -> Bools:
    """nilearn's `compute_epi_mask` with holes filled."""
    import nibabel
    from nilearn.masking import compute_epi_mask

    image = nibabel.Nifti1Image(values, like.affine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn warns of an empty mask; checked right after
        found = compute_epi_mask(image, opening=1, exclude_zeros=False)
    data = np.asarray(found.dataobj) > 0
    return _filled(_largest(data))


def _filled(mask: Bools) -> Bools:
    from scipy import ndimage

    return np.asarray(ndimage.binary_fill_holes(mask), bool)


def _largest(mask: Bools) -> Bools:
    """Largest face-connected part of a mask."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count <= 1:
        return np.asarray(mask, bool)
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(labels == 1 + int(sizes.argmax()), bool)


def _volume_ml(mask: Bools, boldref: Image3D) -> float:
    return float(mask.sum()) * abs(float(np.linalg.det(boldref.affine[:3, :3]))) / 1000.0


def _check_volume(mask: Bools, boldref: Image3D) -> None:
    volume_ml = _volume_ml(mask, boldref)
    if volume_ml < LEAST_BRAIN_ML:
        raise PreprocessingError(
            f"Only {volume_ml:.0f} ml of brain-like signal were found.",
            "Check that the file is a functional run that covers the whole brain.",
            code="preprocessing.no_brain",
        )
