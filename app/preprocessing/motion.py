"""Head motion: rigid least-squares registration of each raw volume to the run's own mean.

Inverse-compositional Gauss-Newton (Baker and Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd)
on volumes smoothed by one voxel, with a free global scale; derivatives and the pseudo-inverse are
made once, on the reference. The class of estimators of 3dvolreg and SPM (Oakes 2005).
Parameters are found on smoothed copies and applied to the data as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core.arrays import Floats, Ints, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, Image4D
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.framewise import (
    JENKINSON_RADIUS_MM,
    framewise_displacement_jenkinson,
    framewise_displacement_power,
)
from app.preprocessing.geometry import (
    displacement_at_radius_mm,
    is_orthogonal,
    rigid_parameters,
)
from app.preprocessing.rigid_alignment import Fit, Reference, Smoother, align, make_reference

MEAN_FRAMES = 60  # evenly spaced frames that make the mean reference
COARSE_TOLERANCE_MM = 0.02
FINE_TOLERANCE_MM = 1e-3
JUMP_MM = 5.0
LOST_RATIO = 2.0  # of the median score: on a card, worth a second start
RETRY_MADS = 3.0
UNCERTAIN_MADS = 10.0
UNCERTAIN_RATIO = 3.0
UNCERTAIN_COST = 0.03  # residual RMS over signal RMS; a head 1 mm off gives about this
LEAST_SHARE_INSIDE = 0.5
MOST_FALLBACK_FRAMES = 12  # each takes ants a second or two; more are flagged unasked
_TURN = np.deg2rad(12.0)


def estimate_motion(
    image: Image4D,
    *,
    first_frame: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    threads: int = 1,
) -> Motion:
    """Estimate rigid head motion of every frame of a raw run.

    Two passes: every frame to the middle frame, each started from the one before; then to the
    mean of the aligned frames, each started from its first answer. Frames whose residual stays
    high, or that jump, are tried again with heavy smoothing from several starts, then by ants'
    BOLDRigid; what still does not fit is listed in `uncertain_frames`.

    Parameters
    ----------
    image
        Raw run (x, y, z, frame); estimate before slice timing or despiking (Power 2017).
    first_frame
        First steady-state frame. Earlier frames are aligned too, but are neither the reference
        nor part of the mean.
    device
        "cpu" or "cuda". On a card all frames start from the identity side by side, and those
        that fit badly again from their neighbours; parameters agree with the CPU's to 0.01 mm
        (RMS at 80 mm). Out of memory there ends on the CPU, which the result says.
    progress
        Told after each frame; a cancel takes hold there.
    threads
        Frames aligned side by side; the answer has the same bits for any number.

    Returns
    -------
    Motion
        Parameters relative to the middle steady frame's head position.

    Raises
    ------
    PreprocessingError
        Fewer than two frames, or no brain-like signal to align.
    """
    progress = progress or Progress()
    frame_count = image.data.shape[3]
    steady = np.arange(first_frame, frame_count)
    if steady.size < 2:
        raise PreprocessingError(
            f"Motion needs at least 2 steady frames; the run has {steady.size}.",
            "Check that this is the functional run.",
            code="preprocessing.too_few_frames",
        )
    smoother = Smoother.for_grid(image, voxels=0.7)
    middle = int(steady[steady.size // 2])
    chosen = steady[:: max(steady.size // MEAN_FRAMES, 1)]
    aligned = _on_card(device, smoother, middle, chosen, progress)
    where = "cpu" if aligned is None else device
    reference, fits = aligned or _on_processor(smoother, middle, chosen, progress, threads)
    net = _safety_net(image, smoother, reference, fits, first_frame, progress)
    parameters = np.stack([rigid_parameters(fit.matrix, reference.centre_mm) for fit in fits])
    return Motion(
        parameters=frozen(parameters),
        centre_mm=frozen(reference.centre_mm),
        framewise_displacement_mm=frozen(framewise_displacement_power(parameters)),
        framewise_displacement_jenkinson_mm=frozen(
            framewise_displacement_jenkinson(parameters, reference.centre_mm)
        ),
        residual_cost=frozen([fit.cost for fit in fits]),
        reference_frame=middle,
        uncertain_frames=net.uncertain,
        retried_frames=net.retried,
        fallback_frames=net.fallback,
        device=where,
    )


def _on_processor(
    smoother: Smoother, middle: int, chosen: Ints, progress: Progress, threads: int
) -> tuple[Reference, list[Fit]]:
    """Both passes with the compiled kernels."""
    reference = make_reference(
        smoother.spline_values(smoother.coefficients(middle)), smoother.image.affine
    )
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        first = _chained_pass(smoother, reference, middle, pool, progress)
        mean = _mean_volume(smoother, reference, first, chosen, pool)
        reference = make_reference(mean, smoother.image.affine)

        def refine(frame: int) -> Fit:
            start = first[frame].matrix
            return align(smoother.coefficients(frame), reference, start, FINE_TOLERANCE_MM)

        frames = range(smoother.frame_count)
        return reference, _in_order(pool, refine, frames, progress, 0.45, 0.5)


def _on_card(
    device: str, smoother: Smoother, middle: int, chosen: Ints, progress: Progress
) -> tuple[Reference, list[Fit]] | None:
    """Both passes on a graphics card; None where it is not wanted or has no room."""
    if device == "cpu":
        return None
    import torch

    try:
        return fits_on_device(torch, device, smoother, middle, chosen, progress)
    except torch.OutOfMemoryError:
        return None


def fits_on_device(
    torch: Any, device: str, smoother: Smoother, middle: int, chosen: Ints, progress: Progress
) -> tuple[Reference, list[Fit]]:
    """Both passes by `gpu_frames` on any torch device: reference and one fit a frame."""
    from app.preprocessing.gpu_frames import BatchAligner
    from app.preprocessing.gpu_spline import SplineReader

    aligner = BatchAligner(SplineReader(torch, device), smoother)
    affine, count = smoother.image.affine, smoother.frame_count
    frames = np.arange(count)
    reference = make_reference(smoother.spline_values(smoother.coefficients(middle)), affine)

    def told(begin: float, share: float) -> Callable[[float], None]:
        return lambda part: progress.step(begin + share * part, "Aligning frames")

    first = aligner.align_all(
        frames, reference, [np.eye(4)] * count, COARSE_TOLERANCE_MM, told(0.0, 0.35)
    )
    typical = float(np.median([fit.score for fit in first]))
    order = [*range(middle, count), *range(middle - 1, -1, -1)]
    for frame in order:  # far from the identity: from the neighbour, as on the CPU
        if frame == middle or first[frame].score <= LOST_RATIO * typical + 1e-6:
            continue
        neighbour = first[frame - 1 if frame > middle else frame + 1].matrix
        again = aligner.align(np.array([frame]), reference, [neighbour], COARSE_TOLERANCE_MM)[0]
        first[frame] = min(first[frame], again, key=lambda fit: fit.score)
        progress.step(0.4, "Aligning frames")
    mean = aligner.mean(_well_fitted(first, chosen), first, reference)
    reference = make_reference(mean, affine)
    starts = [fit.matrix for fit in first]
    fits = aligner.align_all(frames, reference, starts, FINE_TOLERANCE_MM, told(0.45, 0.5))
    return reference, fits


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[int], Fit],
    frames: range,
    progress: Progress,
    begin: float,
    share: float,
) -> list[Fit]:
    """Run `work` on every frame, block by block, so that a cancel is never far away."""
    results: list[Fit] = []
    block = 8
    for start in range(frames.start, frames.stop, block):
        results.extend(pool.map(work, range(start, min(start + block, frames.stop))))
        progress.step(begin + share * len(results) / len(frames), "Aligning frames")
    return results


def _chained_pass(
    smoother: Smoother,
    reference: Reference,
    middle: int,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> list[Fit]:
    """First pass outward from the middle frame, each frame started from its neighbour."""
    count = smoother.frame_count
    fits: list[Fit | None] = [None] * count
    done = 0
    for order in (range(middle, count), range(middle - 1, -1, -1)):
        start: Floats = np.eye(4)
        frames = list(order)
        for begin in range(0, len(frames), 8):
            block = frames[begin : begin + 8]
            for frame, coefficients in zip(
                block, pool.map(smoother.coefficients, block), strict=True
            ):
                fit = align(coefficients, reference, start, COARSE_TOLERANCE_MM)
                fits[frame] = fit
                # A frame that lost the head must not mislead its neighbour.
                start = fit.matrix if fit.share_inside > LEAST_SHARE_INSIDE else start
                done += 1
                progress.step(0.45 * done / count, "Aligning frames")
    return [fit for fit in fits if fit is not None]


def _well_fitted(fits: list[Fit], frames: Ints) -> list[int]:
    """Those of the frames whose cost is at most twice the median's."""
    costs = np.array([fits[frame].cost for frame in frames])
    return [int(frame) for frame in frames[costs <= 2.0 * np.median(costs)]]


def _mean_volume(
    smoother: Smoother,
    reference: Reference,
    fits: list[Fit],
    frames: Ints,
    pool: ThreadPoolExecutor,
) -> Floats:
    """Mean of the aligned smoothed frames on the reference grid; poor fits are left out."""
    kept = _well_fitted(fits, frames)

    def resample(frame: int) -> Floats:
        fit = fits[frame]
        return fit.gain * smoother.resampled(frame, reference.voxel_matrix(fit.matrix))

    total = np.zeros(smoother.shape)
    for start in range(0, len(kept), 8):  # blocks bound the memory; order fixes the bits
        for volume in pool.map(resample, kept[start : start + 8]):
            total += volume
    return total / len(kept)


@dataclass(frozen=True, slots=True)
class _Net:
    """Which frames the safety net caught, and what became of them."""

    retried: tuple[int, ...] = ()
    fallback: tuple[int, ...] = ()  # ants' answer was the better one
    uncertain: tuple[int, ...] = ()


def _safety_net(
    image: Image4D,
    smoother: Smoother,
    reference: Reference,
    fits: list[Fit],
    first_frame: int,
    progress: Progress,
) -> _Net:
    """Try suspicious frames again from several starts (in place), then by ants; name the rest."""
    costs = np.array([fit.cost for fit in fits])
    typical = float(np.median(costs[first_frame:]))
    spread = 1.4826 * float(np.median(np.abs(costs[first_frame:] - typical)))
    suspicious = [
        frame
        for frame in range(first_frame, len(fits))
        if costs[frame] > typical + RETRY_MADS * spread + 1e-3 * typical
        or fits[frame].share_inside < LEAST_SHARE_INSIDE
        or (frame > first_frame and _jump_mm(fits, frame, reference) > JUMP_MM)
    ]
    if not suspicious:
        return _Net()
    heavy = Smoother.for_grid(image, voxels=3.0)
    for count, frame in enumerate(suspicious):
        progress.step(0.95 + 0.04 * count / len(suspicious), "Trying hard frames again")
        fits[frame] = _retry(smoother, heavy, reference, fits, frame)
    limit = max(typical + UNCERTAIN_MADS * spread, UNCERTAIN_RATIO * typical, UNCERTAIN_COST)

    def unsure(frame: int) -> bool:
        return fits[frame].cost > limit or fits[frame].share_inside < LEAST_SHARE_INSIDE

    fallback = []
    hard = [frame for frame in suspicious if unsure(frame)]
    for count, frame in enumerate(hard[:MOST_FALLBACK_FRAMES]):
        progress.step(0.99 + 0.01 * count / len(hard), "Asking ants for frames that stay hard")
        found = _by_ants(smoother, reference, fits[frame], frame)
        if found.score < fits[frame].score:
            fits[frame] = found
            fallback.append(frame)
    uncertain = tuple(frame for frame in suspicious if unsure(frame))
    return _Net(tuple(suspicious), tuple(fallback), uncertain)


def _by_ants(smoother: Smoother, reference: Reference, fit: Fit, frame: int) -> Fit:
    """The frame's fit from where ants' BOLDRigid places it; the fit as it was where ants fails."""
    from app.preprocessing.ants_bridge import rigid_registration

    if not is_orthogonal(reference.affine):
        return fit
    coefficients = smoother.coefficients(frame)
    fixed = Image3D(np.asarray(reference.volume, np.float32), reference.affine, "scanner")
    moving = Image3D(
        np.asarray(smoother.spline_values(coefficients), np.float32), reference.affine, "scanner"
    )
    try:
        start = rigid_registration(fixed, moving, np.eye(4), frame, kind="BOLDRigid")
    except PreprocessingError:
        return fit
    return align(coefficients, reference, start, FINE_TOLERANCE_MM)


def _retry(
    smoother: Smoother, heavy: Smoother, reference: Reference, fits: list[Fit], frame: int
) -> Fit:
    """Best of the present fit and fits through heavy smoothing from several starts."""
    rough_reference = make_reference(
        heavy.smooth_again(reference.volume), reference.affine, most_points=6000
    )
    rough = heavy.coefficients(frame)
    starts = [np.eye(4), fits[max(frame - 1, 0)].matrix]
    starts += [reference.turned(axis, sign * _TURN) for axis in range(3) for sign in (-1.0, 1.0)]
    coarse = [align(rough, rough_reference, start, COARSE_TOLERANCE_MM) for start in starts]
    best_start = min(coarse, key=lambda fit: fit.score)
    fresh = align(smoother.coefficients(frame), reference, best_start.matrix, FINE_TOLERANCE_MM)
    return min(fits[frame], fresh, key=lambda fit: fit.score)


def _jump_mm(fits: list[Fit], frame: int, reference: Reference) -> float:
    """RMS displacement of the head between this frame's fit and the one before."""
    return float(
        displacement_at_radius_mm(
            fits[frame - 1].matrix, fits[frame].matrix, reference.centre_mm, JENKINSON_RADIUS_MM
        )
    )
