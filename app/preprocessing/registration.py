"""The boldref to the atlas's own template, directly: affine, then a mild warp, or affine alone.

Direct EPI normalisation to an EPI-contrast template is defensible without a T1 image (Calhoun
2017, PMC5565844). The affine is ants' (mutual information); the warp is our own greedy
diffeomorphic one: on one thread ants' SyN takes ten times as long for the same accuracy.
Whether the warp is kept is decided by scores on the template.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.core.arrays import Bools, Ints, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.progress import Progress
from app.preprocessing.affine_start import search_start
from app.preprocessing.ants_bridge import affine_registration, correct_bias
from app.preprocessing.deformable import WarpSettings, find_warp
from app.preprocessing.geometry import (
    apply_affine,
    dilated,
    grid_points_mm,
    is_orthogonal,
    voxel_sizes_mm,
)
from app.preprocessing.spatial_map import (
    affine_map,
    identity_map,
    jacobian_determinant,
    normalised_correlation,
    normalised_mutual_information,
    overlap_dice,
    read_at,
    warp_volume_to_template,
)

JACOBIAN_LIMITS = (0.3, 3.0)
FIXED_MARGIN_MM = 8.0


def register_to_template(
    boldref: Image3D,
    mask: Image3D,
    template_epi: Image3D,
    template_mask: Image3D,
    *,
    seed: int,
    progress: Progress | None = None,
) -> SpatialMap:
    """Find the map from template points to scanner points.

    Parameters
    ----------
    boldref, mask
        Reference image of the run and its brain mask, scanner space.
    template_epi, template_mask
        EPI-contrast template and its brain mask on one grid.
    seed
        Seed of ITK's sampling; the same seed gives the same bits.
    progress
        Told between the parts; ITK itself cannot be interrupted (the worker can be killed).

    Returns
    -------
    SpatialMap
        With in-mask correlation before and after the warp, mask Dice and the Jacobian's range.
        `notes` say when the warp was turned down and why.
    """
    progress = progress or Progress()
    moving = brain_only(boldref, mask)
    if not is_orthogonal(boldref.affine):
        moving = on_right_angled_grid(moving)
    fixed, fixed_brain = working_grid(template_epi, template_mask, 4.0)
    start = search_start(fixed, fixed_brain, moving)
    near_brain = dilated(fixed_brain, fixed.affine, FIXED_MARGIN_MM)
    progress.step(0.1, "Fitting an affine map")
    notes: tuple[str, ...] = ()
    try:
        affine = affine_registration(fixed, moving, near_brain, start, seed)
    except PreprocessingError as error:
        if error.code != "preprocessing.registration_failed":
            raise
        affine = start  # judged by the same scores and limits as any other place
        notes = ("The affine fit failed; the coarse search stands in for it.",)
    plain = affine_map(template_epi.space, affine, "affine", notes)
    plain = with_scores(plain, moving, mask, template_epi, template_mask)
    progress.step(0.3, "Fitting a smooth warp")
    warped = bent(plain, moving, fixed, WarpSettings(), progress)
    return keep_better(plain, warped, moving, mask, template_epi, template_mask)


def bent(
    plain: SpatialMap,
    moving: Image3D,
    fixed: Image3D,
    settings: WarpSettings,
    progress: Progress,
) -> SpatialMap:
    """An affine map and the warp, on the grid of `fixed`, that brings `moving` closer to it.

    The affine map alone, with a note, where it puts nothing of `moving` onto `fixed`.
    """
    in_place = warp_volume_to_template(moving, plain, fixed.affine, shape_of(fixed), order=1)
    if not np.any(np.asarray(in_place.data, float) > 0):
        note = "Affine only: the scan as placed does not meet the template."
        return replace(plain, notes=(*plain.notes, note))
    in_voxels = find_warp(np.asarray(fixed.data), np.asarray(in_place.data), settings, progress)
    return replace(
        plain,
        displacement_mm=frozen(in_voxels @ fixed.affine[:3, :3].T, np.float32),
        displacement_affine=frozen(fixed.affine),
        method=f"{plain.method}+warp",
    )


def identity_registration(
    boldref: Image3D, mask: Image3D, template_epi: Image3D, template_mask: Image3D
) -> SpatialMap:
    """The identity, with its scores: for a run that says it already lies in the template."""
    moving = brain_only(boldref, mask)
    plain = identity_map(template_epi.space)
    return with_scores(plain, moving, mask, template_epi, template_mask)


def brain_only(image: Image3D, mask: Image3D) -> Image3D:
    """The image inside its mask, its intensity bias corrected where N4 can; 0 outside."""
    brain = np.asarray(mask.data, bool)
    try:
        values = correct_bias(image, brain)
    except RuntimeError:  # ITK's own errors; the mask step has noted that N4 fails
        values = np.asarray(image.data, np.float32)
    return Image3D(np.where(brain, values, 0.0), image.affine, image.space)


def left_right_margin(
    boldref: Image3D, spatial_map: SpatialMap, template_epi: Image3D, template_mask: Image3D
) -> float:
    """How much better the scan fits the template as it is than mirrored, in [-2, 2].

    Only the part of an image that changes when left and right are exchanged (the image minus
    its mirror image) can tell the sides apart. The correlation of the scan's and the
    template's parts is the score as is; mirroring the scan turns its sign, so the margin is
    twice that correlation. Near 0 or below: the sides are likely to be exchanged.

    The affine alone is used: a warp bends a mirrored head until it fits. The template must be
    asymmetric. NaN where nothing of the scan lies in the template.
    """
    affine_only = replace(spatial_map, displacement_mm=None, displacement_affine=None)
    template_epi, template_mask = _thinned(template_epi), _thinned(template_mask)
    warped = warp_volume_to_template(
        boldref, affine_only, template_epi.affine, shape_of(template_epi), order=1
    )
    both = np.asarray(template_mask.data, bool)
    if not (warped.data[both] > 0).any():
        return float("nan")  # nothing of the scan lies in the template
    both = both & (warped.data > 0.2 * np.median(warped.data[both]))
    x_mm = _mirrored_index(template_epi)
    both = both & both[x_mm]
    norm = np.where(both, warped.data / np.median(warped.data[both]), 1.0)
    odd_scan = norm - norm[x_mm]
    target = np.asarray(template_epi.data, np.float64)
    odd_template = target - target[x_mm]
    from scipy import ndimage

    # The receive bias also differs between the sides, smoothly: only local structure counts.
    smooth = 16.0 / float(voxel_sizes_mm(template_epi.affine).mean())
    odd_scan = odd_scan - ndimage.gaussian_filter(odd_scan, smooth)
    odd_template = odd_template - ndimage.gaussian_filter(odd_template, smooth)
    return 2.0 * normalised_correlation(odd_scan, odd_template, both)


def keep_better(
    plain: SpatialMap,
    warped: SpatialMap,
    moving: Image3D,
    mask: Image3D,
    template_epi: Image3D,
    template_mask: Image3D,
) -> SpatialMap:
    """The warped map unless it lowers correlation or Dice, or bends too far."""
    scored = with_scores(warped, moving, mask, template_epi, template_mask)
    similarity, dice = scored.similarity_after, scored.mask_dice
    low, high = jacobian_range_inside(warped, template_mask)
    reasons = []
    if similarity < plain.similarity_before:
        reasons.append(f"correlation fell to {similarity:.3f}")
    if dice < plain.mask_dice - 1e-3:
        reasons.append(f"mask overlap fell to {dice:.3f}")
    if low < JACOBIAN_LIMITS[0] or high > JACOBIAN_LIMITS[1]:
        reasons.append(f"the warp's Jacobian spans {low:.2f} to {high:.2f}")
    if reasons:
        note = f"Affine only: {'; '.join(reasons)}."
        return replace(plain, notes=(*plain.notes, note))
    return replace(scored, similarity_before=plain.similarity_before, jacobian_range=(low, high))


def jacobian_range_inside(warped: SpatialMap, template_mask: Image3D) -> tuple[float, float]:
    """Smallest and largest local volume change of a warp inside the template's brain."""
    field, field_affine = warped.displacement_mm, warped.displacement_affine
    if field is None or field_affine is None:
        return 1.0, 1.0
    points = grid_points_mm(field.shape[:3], field_affine)
    inside = read_at(template_mask, points, 0).astype(bool).reshape(field.shape[:3])
    determinant = jacobian_determinant(warped, inside)
    return float(determinant.min()), float(determinant.max())


def with_scores(
    candidate: SpatialMap,
    moving: Image3D,
    mask: Image3D,
    template_epi: Image3D,
    template_mask: Image3D,
) -> SpatialMap:
    """The map with its scores on 4 mm voxels, within the field of view.

    In-mask correlation and normalised mutual information with the template, mask Dice, and the
    overlap of the masks over the smaller one.
    """
    template_epi, template_mask = _thinned(template_epi), _thinned(template_mask)
    shape = shape_of(template_epi)
    warped = warp_volume_to_template(moving, candidate, template_epi.affine, shape, order=1)
    brain = warp_volume_to_template(mask, candidate, template_epi.affine, shape, order=0)
    target = np.asarray(template_mask.data, bool)
    in_view = warp_volume_to_template(
        Image3D(np.ones(mask.data.shape, bool), mask.affine, mask.space),
        candidate,
        template_epi.affine,
        shape,
        order=0,
    )
    seen = np.asarray(in_view.data, bool)
    found = np.asarray(brain.data, bool)
    inside = target & found
    similarity = normalised_correlation(warped.data, template_epi.data, inside)
    smaller = max(min(int((found & seen).sum()), int((target & seen).sum())), 1)
    return replace(
        candidate,
        similarity_before=similarity,
        similarity_after=similarity,
        mask_dice=overlap_dice(found & seen, target & seen),
        mask_overlap=int((found & target & seen).sum()) / smaller,
        mutual_information=normalised_mutual_information(
            warped.data[inside], template_epi.data[inside]
        ),
    )


def working_grid(
    template_epi: Image3D, template_mask: Image3D, spacing_mm: float
) -> tuple[Image3D, Bools]:
    """Template on about that spacing, cut to the brain with a margin, and its mask there."""
    from scipy import ndimage

    size = float(voxel_sizes_mm(template_epi.affine).mean())
    step = max(round(spacing_mm / size), 1)
    brain = np.asarray(template_mask.data, bool)
    values = np.where(brain, template_epi.data, 0.0).astype(np.float32)
    if step > 1:
        values = ndimage.gaussian_filter(values, 0.35 * step)
    pad = round(16.0 / size)
    found = np.argwhere(brain)
    low = np.maximum(found.min(axis=0) - pad, 0)
    high = np.minimum(found.max(axis=0) + pad + 1, brain.shape)
    cut = tuple(slice(a, b, step) for a, b in zip(low, high, strict=True))
    affine = template_epi.affine.copy()
    affine[:3, 3] = apply_affine(template_epi.affine, low[None].astype(float))[0]
    affine[:3, :3] *= step
    return Image3D(np.ascontiguousarray(values[cut]), affine, template_epi.space), brain[cut]


def on_right_angled_grid(image: Image3D, spacing_mm: float = 3.0) -> Image3D:
    """A volume on a sheared grid, read on an axis-aligned grid around the same space."""
    shape = image.data.shape
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in shape])).reshape(3, -1).T
    world = apply_affine(image.affine, corners)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = world.min(axis=0)
    size = np.ceil((world.max(axis=0) - world.min(axis=0)) / spacing_mm).astype(int) + 1
    values = read_at(image, grid_points_mm(tuple(size), affine), 1).reshape(tuple(size))
    return Image3D(values, affine, image.space)


def _mirrored_index(image: Image3D) -> tuple[Ints, Ints, Ints]:
    """Index arrays that read an axis-aligned template at (-x, y, z), nearest voxel."""
    nx, ny, nz = shape_of(image)
    x_mm = image.affine[0, 0] * np.arange(nx) + image.affine[0, 3]
    source = np.rint((-x_mm - image.affine[0, 3]) / image.affine[0, 0]).astype(int)
    x, y, z = np.ix_(np.clip(source, 0, nx - 1), np.arange(ny), np.arange(nz))
    return x, y, z


def _thinned(image: Image3D) -> Image3D:
    """Every second voxel of a grid finer than 3 mm: enough for scores, eight times quicker."""
    if voxel_sizes_mm(image.affine).mean() >= 3.0:
        return image
    affine = np.array(image.affine)
    affine[:3, :3] *= 2.0
    return Image3D(image.data[::2, ::2, ::2], affine, image.space)


def shape_of(image: Image3D) -> tuple[int, int, int]:
    """Voxels along x, y and z."""
    x, y, z = image.data.shape
    return x, y, z
