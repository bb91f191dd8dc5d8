"""Whether a run lies in the template that its name claims: looked at, not believed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from app.core.arrays import Floats
from app.core.images import Image3D
from app.core.results import Finding, Severity
from app.preprocessing.spatial_map import normalised_correlation, overlap_dice, read_at

LEAST_OVERLAP = 0.8  # Dice of the brain masks; rows of reliability: a coarse gate
LEAST_SIMILARITY = 0.3
MOVED_MM = 4.0
SCALED = 0.06
MARGIN = 0.02  # of correlation, by which a moved run must fit better to count


def space_findings(
    boldref: Image3D,
    mask: Image3D,
    claimed: str,
    templates: Mapping[str, tuple[Image3D, Image3D]],
) -> list[Finding]:
    """Compare a reference image with templates, as it lies and slightly moved.

    Parameters
    ----------
    boldref, mask
        In the space that the run's name claims.
    claimed
        That template's name; must be among `templates`.
    templates
        Name -> (image with the contrast of EPI, brain mask), each on its own grid.

    Returns
    -------
    list of Finding
        Blocking ones where overlap or similarity are too low, where another template fits
        better, or where the run fits better once it is moved or scaled. Two versions of MNI152
        differ by less than this can tell: `template_versions`.
    """
    scores = {name: _scores(boldref, mask, *images) for name, images in templates.items()}
    similarity, dice = scores[claimed]
    words = f"correlation {similarity:.2f}, mask overlap {dice:.2f}"
    if not (dice >= LEAST_OVERLAP and similarity >= LEAST_SIMILARITY):
        return [
            _doubt(f"The run does not fit the template {claimed} that its name says ({words}).")
        ]
    better = max(scores, key=lambda name: scores[name][0])
    if scores[better][0] > similarity + MARGIN:
        return [
            _doubt(
                f"The run's name says {claimed}, but it fits {better} better (correlation "
                f"{scores[better][0]:.2f} against {similarity:.2f})."
            )
        ]
    moved, how = _best_moved(boldref, *templates[claimed])
    if moved > similarity + MARGIN:
        return [
            _doubt(
                f"The run's name says {claimed}, but it fits better when it is {how} (correlation "
                f"{moved:.2f} against {similarity:.2f})."
            )
        ]
    return [
        Finding(
            "derivative.space_verified",
            Severity.NOTE,
            f"The run lies in {claimed}: {words}; compared with {len(templates)} template(s) and "
            "with the run moved by 4 mm and scaled by 6 %.",
        )
    ]


def _doubt(words: str) -> Finding:
    return Finding(
        "derivative.space_doubtful",
        Severity.BLOCKING,
        words,
        "Check fMRIPrep's output spaces, or open the unprocessed run.",
    )


def brain_points_mm(template_mask: Image3D) -> Floats:
    """Every second brain voxel's centre, template mm."""
    voxels = np.argwhere(np.asarray(template_mask.data, bool)[::2, ::2, ::2]) * 2
    return voxels @ template_mask.affine[:3, :3].T + template_mask.affine[:3, 3]


def _scores(
    boldref: Image3D, mask: Image3D, epi: Image3D, template_mask: Image3D
) -> tuple[float, float]:
    """In-mask correlation, and Dice of the masks over a grid around both."""
    points = brain_points_mm(template_mask)
    inside = np.asarray(read_at(mask, points, 0), bool)
    similarity = normalised_correlation(
        read_at(boldref, points, 1), read_at(epi, points, 1), inside
    )
    grid = np.asarray(template_mask.data, bool)[::2, ::2, ::2]
    everywhere = np.argwhere(np.ones(grid.shape, bool)) * 2
    world = everywhere @ template_mask.affine[:3, :3].T + template_mask.affine[:3, 3]
    own = np.asarray(read_at(mask, world, 0), bool)
    return similarity, overlap_dice(own, grid.ravel())


def _best_moved(boldref: Image3D, epi: Image3D, template_mask: Image3D) -> tuple[float, str]:
    points = brain_points_mm(template_mask)
    target = read_at(epi, points, 1)
    centre = points.mean(axis=0)
    everywhere = np.ones(len(points), bool)
    tried = []
    for axis, sign in product(range(3), (-1.0, 1.0)):
        step = np.zeros(3)
        step[axis] = sign * MOVED_MM
        name = ("left or right", "back or front", "down or up")[axis]
        tried.append((points + step, f"moved {name} by {MOVED_MM:g} mm"))
    tried += [
        (centre + (points - centre) * factor, f"scaled by {factor:g}")
        for factor in (1.0 - SCALED, 1.0 + SCALED)
    ]
    scores = [
        (normalised_correlation(read_at(boldref, places, 1), target, everywhere), how)
        for places, how in tried
    ]
    return max(scores)
