"""The map to the template through the participant's own T1 image, and which route is kept.

Boldref to T1 is rigid (mutual information, from the header's positions, or from the centres of
mass where those fail); T1 to the template is affine, then a diffeomorphic warp on 2 mm. Without a
field map the T1 does not show how the EPI is distorted, so neither route is better everywhere
(Calhoun 2017, PMC5565844): both are run, and a score that neither was optimised on decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.progress import PartOfStage, Progress
from app.preprocessing.affine_start import search_start
from app.preprocessing.ants_bridge import affine_registration, rigid_registration
from app.preprocessing.deformable import WarpSettings
from app.preprocessing.geometry import (
    apply_affine,
    dilated,
    grid_points_mm,
    is_orthogonal,
    voxel_sizes_mm,
)
from app.preprocessing.registration import (
    FIXED_MARGIN_MM,
    JACOBIAN_LIMITS,
    bent,
    brain_only,
    jacobian_range_inside,
    on_right_angled_grid,
    shape_of,
    with_scores,
    working_grid,
)
from app.preprocessing.spatial_map import (
    affine_map,
    normalised_mutual_information,
    read_at,
    warp_volume_to_scanner,
    warp_volume_to_template,
)

FINEST_T1_MM = 1.6
MASK_MARGIN_MM = 6.0
LEAST_MUTUAL_INFORMATION = 1.03  # normalised; boldref and T1 of one head give 1.06 and more
GOOD_MUTUAL_INFORMATION = 1.045  # no other start is tried
PART_WEIGHTS = (0.6, 0.2, 0.2)  # edges, mask Dice, coverage
WARP = WarpSettings(levels=((4, 40), (2, 40), (1, 12)))


@dataclass(frozen=True, slots=True)
class T1Templates:
    """What the route needs of a template, on one grid."""

    t1: Image3D
    brain_mask: Image3D
    epi_contrast: Image3D


def register_through_t1(
    boldref: Image3D,
    mask: Image3D,
    t1: Image3D,
    template: T1Templates,
    *,
    seed: int,
    warp: WarpSettings = WARP,
    progress: Progress | None = None,
) -> SpatialMap:
    """Find the map from template points to scanner points through the T1 image.

    Parameters
    ----------
    boldref, mask
        Reference image of the run and its brain mask, scanner space.
    t1
        Whole-head T1-weighted image in its own scanner space.
    template
        T1 and EPI contrast of the template with its brain mask.
    seed
        Of ITK's sampling.
    warp
        How far and how smoothly the T1 image may bend.
    progress
        Told between the parts; a cancel takes hold there and inside the warp.

    Raises
    ------
    PreprocessingError
        ``preprocessing.t1_unusable``: the image shows no head, or not this one.
    """
    progress = progress or Progress()
    moving = brain_only(boldref, mask)
    if not is_orthogonal(boldref.affine):
        moving = on_right_angled_grid(moving)
    head = _head(t1)
    progress.step(0.05, "Aligning the run with the T1 image")
    to_t1 = _rigid_to_t1(moving, mask, head, seed)
    progress.step(0.25, "Finding the brain in the T1 image")
    near = _brought(mask, to_t1, head, MASK_MARGIN_MM)
    brain = brain_only(head, Image3D(near, head.affine, head.space))
    fixed, fixed_brain = working_grid(template.t1, template.brain_mask, 4.0)
    start = search_start(fixed, fixed_brain, brain)
    progress.step(0.35, "Fitting an affine map of the T1 image")
    near_brain = dilated(fixed_brain, fixed.affine, FIXED_MARGIN_MM)
    affine = affine_registration(fixed, brain, near_brain, start, seed)
    plain = affine_map(template.t1.space, affine, "T1: affine")
    inside = warp_volume_to_scanner(
        Image3D(
            dilated(np.asarray(template.brain_mask.data, bool), template.brain_mask.affine, 3.0),
            template.brain_mask.affine,
            template.brain_mask.space,
        ),
        plain,
        head,
        order=0,
    )
    brain = replace(brain, data=np.where(inside.data, brain.data, 0.0).astype(np.float32))
    progress.step(0.45, "Fitting a smooth warp of the T1 image")
    fine, _ = working_grid(template.t1, template.brain_mask, 2.0)
    warped = bent(plain, brain, fine, warp, PartOfStage(progress, 0.45, 0.95))
    low, high = jacobian_range_inside(warped, template.brain_mask)
    notes: tuple[str, ...] = ()
    if low < JACOBIAN_LIMITS[0] or high > JACOBIAN_LIMITS[1]:
        notes = (f"T1 affine only: the warp's Jacobian spans {low:.2f} to {high:.2f}.",)
        warped, low, high = plain, 1.0, 1.0
    whole = replace(
        warped,
        affine=frozen(np.linalg.inv(to_t1) @ affine),
        jacobian_range=(low, high),
        notes=notes,
        route="t1",
    )
    return with_scores(whole, moving, mask, template.epi_contrast, template.brain_mask)


def route_score(
    candidate: SpatialMap, moving: Image3D, mask: Image3D, template: T1Templates
) -> float:
    """How well a route places the scan, 0..1, by measures that neither route was optimised on.

    The weighted mean of three parts: agreement of edge directions between the scan and the
    EPI-contrast template in the brain (the routes maximise correlation and mutual information
    of intensities), Dice of the brain masks, and the share of the orbitofrontal and anterior
    temporal brain that the scan's mask meets. Edges weigh most: overlap of masks hardly sees a
    shift of millimetres, and nothing at all inside the brain.

    Parameters
    ----------
    candidate
        With its mask Dice.
    moving, mask
        Bias-corrected brain of the run and its mask, scanner space.
    """
    parts = route_parts(candidate, moving, mask, template)
    return float(np.dot(PART_WEIGHTS, parts))


def route_parts(
    candidate: SpatialMap, moving: Image3D, mask: Image3D, template: T1Templates
) -> tuple[float, float, float]:
    """Edge agreement, mask Dice and coverage of `route_score`."""
    fixed, brain = working_grid(template.epi_contrast, template.brain_mask, 2.0)
    shape = shape_of(fixed)
    seen = warp_volume_to_template(moving, candidate, fixed.affine, shape, order=3)
    found = warp_volume_to_template(mask, candidate, fixed.affine, shape, order=0)
    edges = _edge_agreement(
        np.asarray(seen.data, np.float64), np.asarray(fixed.data, np.float64), _eroded(brain)
    )
    points = grid_points_mm(shape, fixed.affine)[brain.ravel()]
    covered = np.asarray(found.data, bool)[brain]
    return edges, candidate.mask_dice, float(covered[_hard_regions(points)].mean())


def choose_route(
    direct: SpatialMap,
    through_t1: SpatialMap,
    boldref: Image3D,
    mask: Image3D,
    template: T1Templates,
) -> SpatialMap:
    """The better-scored map, with both scores and the reason in its notes."""
    moving = brain_only(boldref, mask)
    scores = {
        name: route_score(candidate, moving, mask, template)
        for name, candidate in (("direct", direct), ("t1", through_t1))
    }
    kept = through_t1 if scores["t1"] > scores["direct"] else direct
    said = f"direct {scores['direct']:.3f}, through the T1 image {scores['t1']:.3f}"
    return replace(
        kept,
        route_scores=tuple(scores.items()),
        notes=(*kept.notes, f"Route kept: {kept.route} (independent score: {said})."),
    )


def _head(t1: Image3D) -> Image3D:
    """The T1 image on a right-angled grid of about 2 mm, its bias corrected."""
    from scipy import ndimage

    sizes = voxel_sizes_mm(t1.affine)
    steps = np.maximum(np.round(2.0 / sizes).astype(int), 1)
    steps[sizes >= FINEST_T1_MM] = 1
    values = np.asarray(t1.data, np.float32)
    if not np.isfinite(values).all() or float(np.percentile(values, 99.0)) <= 0:
        raise _unusable("The T1 image holds no signal.")
    if (steps > 1).any():
        values = ndimage.gaussian_filter(values, 0.35 * steps * (steps > 1))
        values = values[:: steps[0], :: steps[1], :: steps[2]]
    affine = np.array(t1.affine)
    affine[:3, :3] = affine[:3, :3] * steps
    thin = Image3D(np.ascontiguousarray(values), affine, "t1")
    if not is_orthogonal(affine):
        thin = on_right_angled_grid(thin, 2.0)
    solid = np.asarray(thin.data > 0.1 * np.percentile(thin.data, 99.0))
    if solid.mean() < 0.02:
        raise _unusable("The T1 image shows no head.")
    corrected = brain_only(thin, Image3D(solid, thin.affine, "t1"))
    return Image3D(np.asarray(corrected.data, np.float32), thin.affine, "t1")


def _rigid_to_t1(moving: Image3D, mask: Image3D, head: Image3D, seed: int) -> Floats:
    """Boldref mm -> T1 mm. The header's positions first, the centres of mass where they fail."""
    if moving.data.shape == mask.data.shape:
        region = np.asarray(mask.data, bool)
    else:
        region = np.asarray(moving.data > 0)
    near = dilated(region, moving.affine, MASK_MARGIN_MM)
    by_mass = np.eye(4)
    by_mass[:3, 3] = _centre(head) - _centre(moving)
    best: Floats = np.eye(4)
    best_score = 0.0
    for start in (np.eye(4), by_mass):
        found = rigid_registration(moving, head, start, seed, fixed_mask=near)
        score = _shared_information(moving, region, head, found)
        if score > best_score:
            best, best_score = found, score
        if best_score >= GOOD_MUTUAL_INFORMATION:
            break
    if best_score < LEAST_MUTUAL_INFORMATION:
        raise _unusable(
            "The T1 image does not fit the run (they share hardly any information: "
            f"{best_score:.3f})."
        )
    return best


def _shared_information(moving: Image3D, region: Bools, head: Image3D, matrix: Floats) -> float:
    points = grid_points_mm(moving.data.shape, moving.affine)[region.ravel()]
    there = read_at(head, apply_affine(matrix, points), 1)
    return normalised_mutual_information(np.asarray(moving.data, np.float64)[region], there)


def _brought(mask: Image3D, to_t1: Floats, head: Image3D, margin_mm: float) -> Bools:
    """The run's brain mask on the T1 grid, filled and widened."""
    from scipy import ndimage

    back = np.linalg.inv(to_t1)
    points = apply_affine(back, grid_points_mm(head.data.shape, head.affine))
    there = read_at(mask, points, 0).astype(bool).reshape(head.data.shape)
    wide = dilated(there, head.affine, margin_mm)
    return np.asarray(ndimage.binary_fill_holes(wide), bool)


def _edge_agreement(first: Floats, second: Floats, inside: Bools) -> float:
    """Mean squared cosine between the gradients of two images where both have edges, 0..1.

    Normalised gradient fields (Haber and Modersitzki 2006): blind to intensities and contrast.
    """
    slopes = []
    for values in (first, second):
        gradient = np.stack(np.gradient(values))
        size = np.sqrt((gradient**2).sum(axis=0))
        floor = max(float(np.median(size[inside])), 1e-12)
        slopes.append(gradient / np.sqrt(size**2 + floor**2))
    cosine = (slopes[0] * slopes[1]).sum(axis=0)
    return float((cosine[inside] ** 2).mean() / max(_self_agreement(slopes[1], inside), 1e-12))


def _self_agreement(slope: Floats, inside: Bools) -> float:
    return float(((slope * slope).sum(axis=0)[inside] ** 2).mean())


def _hard_regions(points_mm: Floats) -> Bools:
    """Orbitofrontal and anterior temporal brain by position in MNI space, (point,)."""
    x, y, z = np.abs(points_mm[:, 0]), points_mm[:, 1], points_mm[:, 2]
    orbitofrontal = (y > 18.0) & (z < -6.0) & (x < 45.0)
    temporal = (x > 26.0) & (y > -20.0) & (y < 26.0) & (z < -18.0)
    return np.asarray(orbitofrontal | temporal)


def _eroded(mask: Bools) -> Bools:
    """Four voxels in: the mask's own border is an edge of every masked scan."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_erosion(mask, iterations=4), bool)


def _centre(image: Image3D) -> Floats:
    weights = np.maximum(np.asarray(image.data, np.float64), 0.0)
    index = [
        (weights.sum(axis=tuple(a for a in range(3) if a != axis)) * np.arange(count)).sum()
        for axis, count in enumerate(weights.shape)
    ]
    return np.asarray(apply_affine(image.affine, (np.array(index) / weights.sum())[None])[0])


def _unusable(message: str) -> PreprocessingError:
    return PreprocessingError(
        message, "Check that it is this participant's T1 image.", code="preprocessing.t1_unusable"
    )
