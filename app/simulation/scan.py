"""The 4-D run: the moving head, slice by slice in time, with everything a scanner adds.

Motion moves a fine head and averages several trilinear samples of it over each native voxel (a
point spread); the recipe resamples the native grid with cubic B-splines. So neither the grid
nor the interpolator of the truth is that of the code under test. No spin history and no change
of the distortion with motion are simulated: the distorted head moves as a rigid body.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np

from app.core.arrays import Floats, Ints, frozen
from app.core.progress import Progress
from app.simulation.anatomy import BRAIN_CENTRE_MM, MARKER_MM, Anatomy, draw_anatomy
from app.simulation.cohort import ParticipantTruth, draw_participant
from app.simulation.epi import (
    LABEL_COUNT,
    FineHead,
    bias_field,
    distortion_mm,
    draw_physiology,
    make_fine_head,
    steady_state_factors,
    tissue_signals,
)
from app.simulation.motion import draw_motion, pose_matrix
from app.simulation.scanner import (
    ParticipantSettings,
    ScannerSettings,
    native_affine,
    slice_times,
)
from app.simulation.series import parcel_series, parcel_spectrum, series_at
from app.simulation.signature import parcel_table

STRONG_MOTION = 14.0
SITE_TSNR = {"site-1": 1.0, "site-2": 0.88}


@dataclass(frozen=True, slots=True)
class ScanTruth:
    """What the scan was made from; the answer key of every accuracy test."""

    participant: ParticipantTruth
    motion: Floats  # (frame, 6), convention of core.results.Motion, relative to the head at rest
    motion_centre_mm: Floats  # (3,)
    anatomy: Anatomy  # template -> scanner, head at rest, undistorted
    phase_axis: Floats  # (3,), unit vector in scanner mm
    distortion_mm: Floats  # (x, y, z), native grid: true place = seen place - value * phase_axis
    series: Floats  # (frame, parcel), percent, at the start of each volume
    slice_times_s: Floats  # (slice,)
    non_steady_frames: int  # leading frames brighter than the rest by more than 1 %
    weights: tuple[Ints, Ints, Floats]  # parcel, flat RAS+ voxel (C order), share of its signal
    marker_mm: Floats | None  # where the capsule lies in scanner mm, head at rest


@dataclass(frozen=True, slots=True)
class SimulatedVolumes:
    """The frames in RAS+ order, before they are written."""

    data: Ints  # (x, y, z, frame), int16
    affine: Floats  # (4, 4)
    repetition_time_s: float
    truth: ScanTruth


def sub_voxel_offsets(voxel_mm: Sequence[float]) -> Floats:
    """Places of the point spread in voxels, about 2 mm apart, shape (sample, 3)."""
    counts = [max(1, round(size / 2.0)) for size in voxel_mm]
    axes = [(np.arange(n) + 0.5) / n - 0.5 for n in counts]
    return np.array(list(product(*axes)))


def label_signals(
    participant: ParticipantTruth, settings: ParticipantSettings, times: Floats
) -> Floats:
    """Factor on the resting signal, shape (frame, slice, label), float32.

    Parcels carry their BOLD series at the time of each slice, the other tissues their own
    fluctuation, all times the approach to steady state.
    """
    scanner, cohort = settings.scanner, settings.cohort
    frames, tr = cohort.frames, cohort.repetition_time_s
    spectrum, length = parcel_spectrum(participant, frames, tr)
    table = np.ones((frames, len(times), LABEL_COUNT), np.float32)
    for offset in np.unique(times):
        percent = series_at(spectrum, length, float(offset) / tr, frames)
        table[:, times == offset, 1 : 1 + percent.shape[1]] += (percent / 100.0)[:, None, :]
    seconds = np.arange(frames)[:, None] * tr + times[None, :]
    physiology = draw_physiology(participant.scan_seed, frames * tr + tr)
    for label, value in tissue_signals(
        participant.scan_seed, physiology, seconds, scanner.physiology
    ).items():
        table[:, :, label] += value.astype(np.float32)
    whole = frames + scanner.discarded_frames
    steady = steady_state_factors(whole, tr, scanner.flip_angle_deg)[scanner.discarded_frames :]
    table *= steady[:, None, :].astype(np.float32)
    return table


def slow_fields(
    index: Floats, participant: ParticipantTruth, settings: ParticipantSettings, times: Floats
) -> tuple[Floats, Floats]:
    """Patterns (voxel, pattern) and their course (frame, slice, pattern): drift, breathing."""
    scanner, cohort = settings.scanner, settings.cohort
    rng = np.random.default_rng([participant.scan_seed, 61])
    u = 2.0 * index / (np.array(scanner.shape) - 1.0) - 1.0
    patterns = np.column_stack([np.ones(len(u)), u, 0.5 + 0.5 * u[:, 1] * u[:, 2]])
    seconds = np.arange(cohort.frames)[:, None] * cohort.repetition_time_s + times[None, :]
    part = seconds / (cohort.frames * cohort.repetition_time_s)
    course = np.zeros((*seconds.shape, patterns.shape[1]))
    for k in range(4):
        linear, quadratic = rng.standard_normal(2) * np.array([0.008, 0.006]) * scanner.drift
        course[..., k] = linear * (part - 0.5) + quadratic * (part - 0.5) ** 2
    physiology = draw_physiology(participant.scan_seed, float(seconds.max()) + 4.0)
    course[..., 4] = 0.0025 * scanner.physiology * physiology.wave("breathing", seconds)
    return patterns, course


def active_voxels(head: FineHead, affine: Floats, shape: tuple[int, ...], reach_mm: float) -> Ints:
    """Native voxels (voxel, 3) that the head can reach within `reach_mm` of its rest pose."""
    from scipy.ndimage import distance_transform_edt, map_coordinates

    block = 3  # fine voxels; whole blocks, so that thin layers such as scalp are not missed
    edge_mm = block * float(head.affine[0, 0])
    padded = np.pad(head.base > 0, [(0, -n % block) for n in head.base.shape])
    x, y, z = (n // block for n in padded.shape)
    filled = padded.reshape(x, block, y, block, z, block).any(axis=(1, 3, 5))
    distance = distance_transform_edt(~filled, sampling=edge_mm)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, 3)
    to_fine = np.linalg.inv(head.affine) @ affine
    coarse = (grid @ to_fine[:3, :3].T + to_fine[:3, 3] - (block - 1) / 2.0) / block
    near = map_coordinates(distance, coarse.T, order=1, mode="nearest") <= reach_mm
    past = np.maximum(-coarse, coarse - (np.array(distance.shape) - 1)).max(1) * edge_mm
    return np.ascontiguousarray(grid[near & (past <= reach_mm)])


def _weights(
    head: FineHead, affine: Floats, voxels: Ints, offsets: Floats, shape: tuple[int, ...]
) -> tuple[Ints, Ints, Floats]:
    from app.simulation.kernels import parcel_weights

    entries = np.empty((len(voxels) * 12, 3))
    to_fine = np.ascontiguousarray((np.linalg.inv(head.affine) @ affine)[:3])
    parcels = len(parcel_table().names)
    count = parcel_weights(head.base, head.labels, to_fine, voxels, offsets, parcels, entries)
    used = entries[:count]
    flat = np.ravel_multi_index(tuple(voxels.T), shape)
    return (
        frozen(used[:, 0].astype(np.int32)),
        frozen(flat[used[:, 1].astype(int)].astype(np.int64)),
        frozen(used[:, 2].astype(np.float32)),
    )


def _signal_loss(index: Floats, shape: tuple[int, ...]) -> Floats:
    """Factor of the fault `signal_loss`: the front third of the view is nearly dark."""
    edge = 1.0 / (1.0 + np.exp(-(index[:, 1] - 0.60 * shape[1]) / 1.5))
    return np.asarray(1.0 - 0.93 * edge)


def _non_steady(settings: ParticipantSettings) -> int:
    scanner, cohort = settings.scanner, settings.cohort
    whole = cohort.frames + scanner.discarded_frames
    grey = steady_state_factors(whole, cohort.repetition_time_s, scanner.flip_angle_deg)[:, 1]
    return int((grey[scanner.discarded_frames :] > 1.01).sum())


def _native_field(
    anatomy: Anatomy, scanner: ScannerSettings, affine: Floats, sign: float
) -> Floats:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in scanner.shape], indexing="ij"), -1)
    scanner_mm = grid.reshape(-1, 3) @ affine[:3, :3].T + affine[:3, 3]
    template = anatomy.scanner_to_template(scanner_mm)
    values = distortion_mm(template, sign * scanner.distortion_mm)
    return values.reshape(scanner.shape).astype(np.float32)


def simulate_volumes(
    settings: ParticipantSettings, progress: Progress | None = None, *, threads: int = 2
) -> SimulatedVolumes:
    """Scan one simulated person.

    Parameters
    ----------
    settings
        Person, scanner and seed; they alone decide the result, to the bit.
    progress
        Told about the stages "head" and "frames"; a cancel takes hold between frames.
    threads
        How many frames are made at once; has no influence on the result.

    Returns
    -------
    SimulatedVolumes
        Frames as int16 in RAS+ order with their truth.
    """
    progress = progress or Progress()
    scanner, cohort = settings.scanner, settings.cohort
    person = draw_participant(cohort, settings.index)
    with progress.stage("head"):
        anatomy = draw_anatomy(person.anatomy_seed, settings.anatomy)
        affine = native_affine(anatomy, scanner, person.scan_seed)
        axis = "ijk".index(scanner.phase_encoding[0])
        phase_axis = affine[:3, axis] / np.linalg.norm(affine[:3, axis])
        sign = -1.0 if scanner.phase_encoding.endswith("-") else 1.0
        head = make_fine_head(
            anatomy,
            settings.anatomy,
            spacing_mm=scanner.fine_mm,
            phase_axis=phase_axis,
            largest_shift_mm=sign * scanner.distortion_mm,
            dropout=scanner.dropout,
        )
    level = person.motion_level * scanner.motion
    if scanner.fault == "strong_motion":
        level *= STRONG_MOTION
    tr = cohort.repetition_time_s
    motion = draw_motion(person.scan_seed, cohort.frames, tr, level)
    centre = anatomy.template_to_scanner(BRAIN_CENTRE_MM[None])[0]
    with progress.stage("frames"):
        data, voxels, offsets = _render(
            settings, person, head, affine, motion, centre, progress, threads
        )
    if scanner.fault == "flipped":
        data = data[::-1]
    marker = anatomy.template_to_scanner(MARKER_MM[None])[0] if settings.anatomy.marker else None
    truth = ScanTruth(
        participant=person,
        motion=frozen(motion),
        motion_centre_mm=frozen(centre),
        anatomy=anatomy,
        phase_axis=frozen(phase_axis),
        distortion_mm=frozen(_native_field(anatomy, scanner, affine, sign)),
        series=frozen(parcel_series(person, cohort.frames, tr)),
        slice_times_s=frozen(slice_times(scanner, tr)),
        non_steady_frames=_non_steady(settings),
        weights=_weights(head, affine, voxels, offsets, scanner.shape),
        marker_mm=None if marker is None else frozen(marker),
    )
    return SimulatedVolumes(data, frozen(affine), tr, truth)


def _render(
    settings: ParticipantSettings,
    person: ParticipantTruth,
    head: FineHead,
    affine: Floats,
    motion: Floats,
    centre: Floats,
    progress: Progress,
    threads: int,
) -> tuple[Ints, Ints, Floats]:
    """All frames (x, y, z, frame), the active voxels and the point spread."""
    from app.simulation.kernels import add_rician_noise, render_frame

    scanner, cohort = settings.scanner, settings.cohort
    shape, frames = scanner.shape, cohort.frames
    times = slice_times(scanner, cohort.repetition_time_s)
    reach = 5.0 + float(np.abs(motion[:, :3]).sum(1).max() + 90 * np.abs(motion[:, 3:]).max())
    voxels = active_voxels(head, affine, shape, reach)
    offsets = sub_voxel_offsets(scanner.voxel_mm)
    signal = label_signals(person, settings, times)
    index = voxels.astype(float)
    patterns, course = slow_fields(index, person, settings, times)
    gain = bias_field(index, shape, person.scan_seed) if scanner.bias else np.ones(len(index))
    if scanner.fault == "signal_loss":
        gain = gain * _signal_loss(index, shape)
    gain = gain * scanner.signal_level
    tsnr = scanner.thermal_tsnr * SITE_TSNR[person.site]
    sigma = scanner.signal_level / (9.0 if scanner.fault == "low_tsnr" else tsnr)
    to_fine = np.linalg.inv(head.affine)
    # frame, z, y, x in memory: the order of the file
    stored = np.empty((frames, *shape[::-1]), np.int16)
    place = np.ravel_multi_index(tuple(voxels[:, ::-1].T), shape[::-1])
    ghost_axis = 2 if scanner.phase_encoding[0] == "i" else 1

    def one(frame: int) -> None:
        pose = np.linalg.inv(pose_matrix(motion[frame], centre))
        matrix = np.ascontiguousarray((to_fine @ pose @ affine)[:3])
        values = np.empty(len(voxels))
        render_frame(
            head.base, head.labels, matrix, voxels, offsets,
            signal[frame], patterns, course[frame], values,
        )  # fmt: skip
        image = np.zeros(stored[0].size, np.float32)
        image[place] = values * gain
        if scanner.ghost > 0:
            volume = image.reshape(shape[::-1])
            half = volume.shape[ghost_axis] // 2
            image = (volume + scanner.ghost * np.roll(volume, half, ghost_axis)).ravel()
        rng = np.random.default_rng([person.scan_seed, 71, frame])
        noise = rng.standard_normal((2, image.size), dtype=np.float32)
        add_rician_noise(image, noise, sigma, stored[frame].reshape(-1))

    one(0)  # compiles before threads start
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        for done, _ in enumerate(pool.map(one, range(1, frames)), start=2):
            progress.step(done / frames, f"frame {done} of {frames}")
    return stored.T, voxels, offsets
