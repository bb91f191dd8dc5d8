"""Which version of a template a run lies in, where two versions lie 1 to 3 mm apart.

fMRIPrep has written volumes in MNI152NLin6Asym under the name of MNI152NLin2009cAsym
(nipreps/fmriprep #3612). The two brains differ in sharpness and contrast too, so that comparing a
run's likeness to one with its likeness to the other says more about the images than about the
place. Here each image is compared with itself: as it lies, and bent to where the other version has
the same anatomy. The bend between the versions is found once, on their T1 images.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.analysis.space_check import brain_points_mm
from app.connectome.templates import TEMPLATES, Template, load_template
from app.core.arrays import Floats
from app.core.caches import cached_arrays
from app.core.images import Image3D
from app.core.results import Finding, Severity
from app.preprocessing.deformable import find_warp
from app.preprocessing.geometry import apply_affine, grid_points_mm, voxel_sizes_mm
from app.preprocessing.registration import working_grid
from app.preprocessing.spatial_map import normalised_correlation, read_at

APART = 0.02  # of correlation; simulated heads give 0.05 to 0.13 to either side
LOCAL_MM = 6.0  # sigma of what counts as local contrast
SPACING_MM = 4.0
_METHOD = "versions-v2"  # part of the cache key: change it when the bend is found otherwise


def version_findings(boldref: Image3D, mask: Image3D, claimed: str) -> list[Finding]:
    """Say whether a run lies in the version of the template that it claims.

    Parameters
    ----------
    boldref, mask
        Reference image and brain mask, in the space that the run's name claims.
    claimed
        Name of a template of `connectome.templates`.

    Returns
    -------
    list of Finding
        A blocking one where another version fits better, a warning where the two fit alike, a
        note where the claimed one fits better.
    """
    own = load_template(claimed, with_nuclei=False)
    findings = []
    for entry in TEMPLATES:
        if entry.name == claimed:
            continue
        lead = lead_of_claimed(boldref, mask, own, load_template(entry.name, with_nuclei=False))
        words = f"correlation with the images of both versions {abs(lead):.3f}"
        if lead < -APART:
            finding = Finding(
                "derivative.space_doubtful",
                Severity.BLOCKING,
                f"The run's name says {claimed}, but it lies in {entry.name} ({words} higher "
                "there).",
                "Check fMRIPrep's output spaces, or open the unprocessed run.",
            )
        elif lead <= APART:
            finding = Finding(
                "derivative.space_undecided",
                Severity.WARNING,
                f"The run fits {claimed}, as its name says, and {entry.name} alike ({words} "
                "apart).",
                "The two lie 1 to 3 mm apart; check fMRIPrep's output spaces.",
            )
        else:
            finding = Finding(
                "derivative.space_version",
                Severity.NOTE,
                f"The run lies in {claimed}, not in {entry.name} ({words} lower there).",
            )
        findings.append(finding)
    return findings


def lead_of_claimed(boldref: Image3D, mask: Image3D, own: Template, other: Template) -> float:
    """How much better a run correlates with two templates if it lies in `own`, not in `other`.

    The mean over both templates' images of the correlation at the place of `own` less that at the
    place of `other`, over brain that both have; in [-2, 2].
    """
    points = brain_points_mm(own.brain_mask_2mm)
    # Off the grid: a template read on its own voxels is sharper than one that is bent.
    points = points + np.random.default_rng(0).uniform(-1.0, 1.0, points.shape)
    points = points[np.asarray(read_at(mask, points, 0), bool)]
    in_own = points + bend_mm(other, own, points)  # anatomy of `other` here lies there in `own`
    in_other = points + bend_mm(own, other, points)
    inside = np.ones(len(points), bool)
    for place in (points, in_own):
        inside &= np.asarray(read_at(own.brain_mask_2mm, place, 0), bool)
    for place in (points, in_other):
        inside &= np.asarray(read_at(other.brain_mask_2mm, place, 0), bool)
    seen = read_at(_local_contrast(boldref, mask), points, 1)

    def likeness(template: Template, places: Floats) -> float:
        image = _local_contrast(template.epi_contrast_2mm, template.brain_mask_2mm)
        return normalised_correlation(seen, read_at(image, places, 3), inside)

    first = likeness(own, points) - likeness(own, in_own)
    second = likeness(other, in_other) - likeness(other, points)
    return 0.5 * (first + second)


def _local_contrast(image: Image3D, mask: Image3D) -> Image3D:
    """Values less their local mean, over their local spread: neither shading nor level counts."""
    from scipy import ndimage

    inside = np.asarray(mask.data, np.float64)
    values = np.asarray(image.data, np.float64)
    sigma = LOCAL_MM / voxel_sizes_mm(image.affine)
    weight = np.maximum(ndimage.gaussian_filter(inside, sigma, mode="constant"), 1e-3)

    def local(of: Floats) -> Floats:
        return np.asarray(ndimage.gaussian_filter(of * inside, sigma, mode="constant") / weight)

    rest = values - local(values)
    least = 0.02 * float(values[inside > 0].mean())  # flat regions stay flat
    spread = np.maximum(np.sqrt(np.maximum(local(rest**2), 0.0)), least)
    return replace(image, data=np.where(inside > 0, rest / spread, 0.0))


def bend_mm(source: Template, target: Template, points_mm: Floats) -> Floats:
    """From points (point, 3) of `source` to the same anatomy in `target`, (point, 3) mm."""
    from scipy import ndimage

    kept = cached_arrays(
        f"bend-{source.name}-{target.name}",
        f"{_METHOD}|{source.sha256}|{target.sha256}|{SPACING_MM}",
        lambda: dict(zip(("affine", "bend_mm"), _found_bend(source, target), strict=True)),
    )
    voxels = apply_affine(np.linalg.inv(kept["affine"]), points_mm).T
    return np.stack(
        [
            ndimage.map_coordinates(kept["bend_mm"][..., axis], voxels, order=1, mode="nearest")
            for axis in range(3)
        ],
        axis=1,
    ).astype(np.float64)


def _found_bend(source: Template, target: Template) -> tuple[Floats, Floats]:
    from scipy import ndimage

    fixed, _ = working_grid(source.t1_2mm, source.brain_mask_2mm, SPACING_MM)
    shape = fixed.data.shape
    brain = np.where(target.brain_mask_2mm.data, target.t1_2mm.data, 0.0).astype(np.float32)
    smooth = replace(target.t1_2mm, data=ndimage.gaussian_filter(brain, 0.7))  # as the fixed one
    moving = read_at(smooth, grid_points_mm(shape, fixed.affine), 1).reshape(shape)
    warp = find_warp(np.asarray(fixed.data, np.float32), np.asarray(moving, np.float32))
    return fixed.affine, np.asarray(warp @ fixed.affine[:3, :3].T, np.float32)
