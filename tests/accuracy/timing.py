"""Planted slice times recovered from the images, and planted approaches to the steady state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.preprocessing.slice_timing import correct_slice_timing, plan_slice_timing
from app.preprocessing.steady_state import first_steady_frame
from app.simulation.anatomy import CSF, OTHER_GREY, WHITE
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.epi import LABEL_COUNT, steady_state_factors
from app.simulation.scan import SimulatedVolumes, label_signals, simulate_volumes
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings, slice_times
from tests.accuracy.motion import image_of

Array = NDArray[Any]
Record = dict[str, Any]

BAND_HZ = (0.01, 0.1)
LEAST_SHARE = 0.6  # of a voxel's signal that comes from one parcel
LEAST_VOXELS = 40  # of a slice that is judged
REPETITION_TIMES_S = (1.4, 2.0, 2.5, 3.0)
STEADY_TIMES_S = (0.5, 0.735, 1.0, *REPETITION_TIMES_S)
FLIP_ANGLES_DEG = (30.0, 50.0, 62.0, 77.0, 90.0)
MOST_PLANTED = 6
BRIGHT = 1.01  # a frame counts as not settled above that, times the settled signal
GUARD_PERCENT = 0.3  # runs with a frame nearer to that limit have no one right count
# Shares of the mean brain signal; parcels make up the grey matter.
MIX = {WHITE: 0.28, CSF: 0.10, OTHER_GREY: 0.08}


def slice_record(seed: int, *, frames: int = 160) -> Record:
    """Delay of each slice before and after correction, as shares of the repetition time.

    A still head without breathing and pulse; delays are read from the phase between voxels and
    the planted series of their parcel, so the answer is the simulator's, not the code's.
    """
    tr = REPETITION_TIMES_S[seed % len(REPETITION_TIMES_S)]
    scanner = replace(
        SMALL_SCANNER,
        motion=0.0,
        physiology=0.0,
        drift=0.0,
        thermal_tsnr=300.0,
        discarded_frames=10,
        interleaved=seed % 3 != 0,
    )
    cohort = CohortSettings(count=1, seed=seed, frames=frames, repetition_time_s=tr)
    volumes = simulate_volumes(ParticipantSettings(cohort, 0, scanner), threads=1)
    times = volumes.truth.slice_times_s
    image = image_of(volumes)
    plan = plan_slice_timing(True, tuple(times), len(times), tr, frames)
    assert plan.applied and plan.reference_time_s is not None
    moved = correct_slice_timing(image, tuple(times), plan.reference_time_s)
    before, slices = slice_delays_s(np.asarray(image.data), volumes)
    after, _ = slice_delays_s(np.asarray(moved.data), volumes)
    return {
        "seed": seed,
        "repetition_time_s": tr,
        "slices": len(slices),
        "before": [float(v) for v in (before - times[slices]) / tr],
        "after": [float(v) for v in (after - plan.reference_time_s) / tr],
        "moved": [float(v) for v in (after - before - plan.reference_time_s + times[slices]) / tr],
        "spread_before": float(np.ptp(before) / tr),
    }


def slice_delays_s(data: Array, volumes: SimulatedVolumes) -> tuple[Array, Array]:
    """How much later than the volume's start each slice shows its parcels, and which slices."""
    parcels, voxels, shares = volumes.truth.weights
    alone = np.asarray(shares) >= LEAST_SHARE
    place = np.array(np.unravel_index(np.asarray(voxels)[alone], data.shape[:3]))
    parcel = np.asarray(parcels)[alone]
    delays, slices = [], []
    for index in range(data.shape[2]):
        here = place[2] == index
        if here.sum() < LEAST_VOXELS:
            continue
        seen = data[place[0, here], place[1, here], index].astype(np.float64).T
        delays.append(
            delay_s(seen, np.asarray(volumes.truth.series)[:, parcel[here]],
                    volumes.repetition_time_s)
        )  # fmt: skip
        slices.append(index)
    return np.array(delays), np.array(slices)


def delay_s(seen: Array, planted: Array, repetition_time_s: float) -> float:
    """Time by which (frame, series) `seen` runs ahead of `planted`, from their cross-spectrum."""
    window = np.hanning(len(seen))[:, None]
    spectra = [
        np.fft.rfft(window * (series - series.mean(axis=0)), axis=0) for series in (seen, planted)
    ]
    hertz = np.fft.rfftfreq(len(seen), repetition_time_s)
    cross = (spectra[0] * spectra[1].conj()).sum(axis=1)
    band = (hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1])
    omega, cross = 2 * np.pi * hertz[band], cross[band]
    delay = 0.0
    for _ in range(50):  # Newton on the real part of the sum of cross * exp(-i omega delay)
        turned = cross * np.exp(-1j * omega * delay)
        step = (omega * turned.imag).sum() / (omega**2 * turned.real).sum()
        delay += float(step)
        if abs(step) < 1e-6:
            break
    return delay


def summarise_slices(records: list[Record]) -> list[str]:
    """What the records say."""
    lines = [f"{len(records)} runs, {sum(r['slices'] for r in records)} slices"]
    for when, what in (
        ("before", "before correction, delay of a slice against the planted one"),
        ("after", "after correction, delay of a slice against the middle of the volume"),
        ("moved", "shift made by the correction against the shift wanted"),
    ):
        errors = 100 * np.abs(np.concatenate([r[when] for r in records]))
        lines.append(
            f"{what}: median {np.median(errors):.2f}, 95th percentile "
            f"{np.percentile(errors, 95):.2f}, most {errors.max():.2f} % of the repetition time"
        )
    return lines


def steady_record(seed: int, *, frames: int = 120) -> Record:
    """Planted and found count of leading bright frames of one run's mean brain signal."""
    rng = np.random.default_rng([seed, 9])
    while True:
        tr = float(rng.choice(STEADY_TIMES_S))
        flip = float(rng.choice(FLIP_ANGLES_DEG))
        discarded = int(rng.integers(0, 7))
        mix = brain_mix()
        decay = steady_state_factors(frames + discarded, tr, flip)[discarded:] @ mix
        planted = int((decay > BRIGHT).sum())
        if planted <= MOST_PLANTED:
            break
    scanner = replace(SMALL_SCANNER, flip_angle_deg=flip, discarded_frames=discarded)
    cohort = CohortSettings(count=1, seed=seed, frames=frames, repetition_time_s=tr)
    person = draw_participant(cohort, 0)
    settings = ParticipantSettings(cohort, 0, scanner)
    times = slice_times(scanner, tr)[::7]
    signal = label_signals(person, settings, times).mean(axis=1) @ mix
    time = np.linspace(-0.5, 0.5, frames)
    signal = signal * (1.0 + 0.008 * rng.standard_normal() * time)
    signal += 0.0003 * rng.standard_normal(frames)  # thermal noise of the mean of a brain
    return {
        "seed": seed,
        "repetition_time_s": tr,
        "flip_angle_deg": flip,
        "planted": planted,
        "found": first_steady_frame(1500.0 * signal),
        "nearest_percent": 100 * float(np.abs(decay[: planted + 1] - BRIGHT).min()),
    }


def brain_mix() -> Array:
    """Share of each label in the mean brain signal, (label,), sum 1."""
    mix = np.zeros(LABEL_COUNT)
    mix[1:427] = (1.0 - sum(MIX.values())) / 426
    for label, share in MIX.items():
        mix[label] = share
    return mix


def summarise_steady(records: list[Record]) -> list[str]:
    """Exact counts, and how far the others are off; all runs, and those outside the guard band."""
    clear = [r for r in records if r["nearest_percent"] > GUARD_PERCENT]
    lines = [_counts(records, "all runs"), _counts(clear, f"no frame within {GUARD_PERCENT} %")]
    for count in range(MOST_PLANTED + 1):
        chosen = [r for r in clear if r["planted"] == count]
        if chosen:
            lines.append("  " + _counts(chosen, f"planted {count}"))
    return lines


def _counts(records: list[Record], what: str) -> str:
    over = np.array([r["found"] - r["planted"] for r in records])
    return (
        f"{what}: exact {(over == 0).sum()} of {len(over)} ({100 * (over == 0).mean():.1f} %), at "
        f"most {max(over.max(), 0)} too many, {max(-over.min(), 0)} too few"
    )
