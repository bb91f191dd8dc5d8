"""Estimated head motion against the planted one, and the peers on the same volumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from app.core.images import Image4D
from app.core.results import Motion
from app.preprocessing.framewise import framewise_displacement_power
from app.preprocessing.geometry import displacement_at_radius_mm, rigid_matrices, rigid_matrix
from app.preprocessing.motion import estimate_motion
from app.simulation import scan as scanning
from app.simulation import series as dynamics
from app.simulation.cohort import CohortSettings
from app.simulation.scan import ScanTruth, SimulatedVolumes, simulate_volumes
from app.simulation.scanner import ParticipantSettings, ScannerSettings

Array = NDArray[Any]
Record = dict[str, Any]

RADIUS_MM = 80.0
GUARD_MM = 0.03  # nearer to a limit than that, the side of it is not judged
LIMITS_MM = (0.2, 0.5)
LEAST_SPREAD_MM = 0.1  # of the planted FD: a correlation needs something to follow
STEADY = 5  # frames left out where the magnetisation may not have settled


def motion_errors_mm(motion: Motion, truth: ScanTruth, first_frame: int = 0) -> Array:
    """RMS error of each frame at 80 mm, both taken relative to the reference frame, (frame,)."""
    frames = np.arange(len(truth.motion))
    errors = errors_mm(rigid_matrices(motion), truth, frames, motion.reference_frame)
    return np.asarray(errors[first_frame:])


def errors_mm(found: Array, truth: ScanTruth, frames: Array, reference: int) -> Array:
    """RMS error at 80 mm of maps (frame, 4, 4) of some frames, relative to one of these maps."""
    true = np.stack([rigid_matrix(truth.motion[frame], truth.motion_centre_mm) for frame in frames])
    return displacement_at_radius_mm(
        true @ np.linalg.inv(true[reference]),
        found @ np.linalg.inv(found[reference]),
        np.asarray(truth.motion_centre_mm),
        RADIUS_MM,
    )


def displacement_record(motion: Motion, truth: ScanTruth, first_frame: int = 0) -> Record:
    """Framewise displacement (Power) found and planted: r, slope, and sides of the limits."""
    found = np.asarray(motion.framewise_displacement_mm)[first_frame + 1 :]
    true = framewise_displacement_power(np.asarray(truth.motion))[first_frame + 1 :]
    judged = {limit: np.abs(true - limit) > GUARD_MM for limit in LIMITS_MM}
    return {
        "r": float(np.corrcoef(true, found)[0, 1]) if true.std() > 0 else float("nan"),
        "slope": float(np.polyfit(true, found, 1)[0]) if true.std() > 0 else float("nan"),
        "true_mean_mm": float(true.mean()),
        "found_mean_mm": float(found.mean()),
        "true_mm": [round(float(value), 4) for value in true],
        "found_mm": [round(float(value), 4) for value in found],
        "sides": {
            str(limit): [int(((found > limit) == (true > limit))[far].sum()), int(far.sum())]
            for limit, far in judged.items()
        },
    }


def planted_run(
    settings: ParticipantSettings, motion: Array, *, threads: int = 1
) -> SimulatedVolumes:
    """A run of the simulator whose head moves as given, (frame, 6) mm and rad."""
    with mock.patch.object(scanning, "draw_motion", return_value=np.array(motion)):
        return simulate_volumes(settings, threads=threads)


def image_of(volumes: SimulatedVolumes) -> Image4D:
    """The run as the recipe takes it."""
    return Image4D(volumes.data, volumes.affine, volumes.repetition_time_s)


@contextmanager
def silent_brain() -> Iterator[None]:
    """The brain's own fluctuation switched off: only noise changes between frames."""
    with mock.patch.object(dynamics, "SIGNAL_SD_PERCENT", 0.0):
        yield


def still_with_jumps(scanner: ScannerSettings, frames: int = 24, seed: int = 3) -> Record:
    """A still head that lies 20 mm and 20 degrees off for one frame each.

    Within `silent_brain`, and without physiology, only thermal noise is left. Returns what was
    found: error of each jump, whether it was flagged, and the mean FD of the still frames.
    """
    settled = replace(scanner, discarded_frames=8)
    settings = ParticipantSettings(CohortSettings(count=1, seed=seed, frames=frames), 0, settled)
    motion = np.zeros((frames, 6))
    shifted, turned = frames // 3, 2 * frames // 3
    motion[shifted, :3] = 20.0 * np.array([0.36, 0.48, 0.8])
    motion[turned, 3] = np.deg2rad(20.0)
    volumes = planted_run(settings, motion)
    found = estimate_motion(image_of(volumes))
    errors = motion_errors_mm(found, volumes.truth)
    steps = np.asarray(found.framewise_displacement_mm)
    touched = {shifted, shifted + 1, turned, turned + 1}
    still = [frame for frame in range(1, frames) if frame not in touched]
    return {
        "seed": seed,
        "jumps": {
            name: {"error_mm": float(errors[frame]), "flagged": frame in found.uncertain_frames}
            for name, frame in (("20 mm", shifted), ("20 degrees", turned))
        },
        "still_mean_fd_mm": float(steps[still].mean()),
        "still_errors_mm": [float(errors[still].mean()), float(errors[still].max())],
        "falsely_flagged": len(set(found.uncertain_frames) - {shifted, turned}),
    }


def motion_record(
    seed: int, *, frames: int, peers: tuple[str, ...], scanner: ScannerSettings | None = None
) -> Record:
    """One participant of the default protocol; `frames` volumes for the peers and for us."""
    settings = ParticipantSettings(
        CohortSettings(count=1, seed=seed), 0, scanner or ScannerSettings()
    )
    volumes = simulate_volumes(settings, threads=1)
    image = image_of(volumes)
    found = estimate_motion(image, first_frame=STEADY)
    errors = motion_errors_mm(found, volumes.truth, STEADY)
    record: Record = {
        "seed": seed,
        "errors_mm": [float(v) for v in (errors.mean(), np.percentile(errors, 95), errors.max())],
        "displacement": displacement_record(found, volumes.truth, STEADY),
        "uncertain": len(found.uncertain_frames),
        "still": still_with_jumps(settings.scanner, seed=seed),
    }
    with silent_brain():
        quiet = replace(settings.scanner, physiology=0.0)
        record["still_noise_only"] = still_with_jumps(quiet, seed=seed)
    if peers and frames:
        record["same_volumes"] = beside_peers(image, volumes.truth, frames, peers)
    return record


def beside_peers(
    image: Image4D, truth: ScanTruth, frames: int, peers: tuple[str, ...]
) -> dict[str, list[float]]:
    """Mean, 95th percentile and maximum of the error of each estimator on the same volumes."""
    from tests.benchmarks.motion import PEERS, ours

    chosen = np.linspace(STEADY, image.data.shape[3] - 1, frames).astype(int)
    part = replace(image, data=np.ascontiguousarray(image.data[..., chosen]))
    reference = frames // 2
    told = {}
    for name, work in {"this program": ours, **{name: PEERS[name] for name in peers}}.items():
        errors = errors_mm(work(part, reference), truth, chosen, reference)
        errors = np.delete(errors, reference)
        told[name] = [float(v) for v in (errors.mean(), np.percentile(errors, 95), errors.max())]
    return told


def summarise(records: list[Record]) -> list[str]:
    """What the records say, a line a statement."""
    lines = [f"{len(records)} participants"]
    errors = np.array([r["errors_mm"] for r in records])
    for name, column in (("mean", 0), ("95th percentile", 1), ("maximum", 2)):
        lines.append(
            f"RMS error at 80 mm, {name} of a participant's frames: median "
            f"{np.median(errors[:, column]):.3f}, worst {errors[:, column].max():.3f} mm"
        )
    shown = [r["displacement"] for r in records]
    true, found = (np.concatenate([d[name] for d in shown]) for name in ("true_mm", "found_mm"))
    lines.append(
        f"FD, frames of all participants: r {np.corrcoef(true, found)[0, 1]:.4f}, slope "
        f"{np.polyfit(true, found, 1)[0]:.3f}"
    )
    for d, r in zip(shown, records, strict=True):
        lines.append(
            f"  participant {r['seed']}: r {d['r']:.4f}, slope {d['slope']:.3f}; planted FD "
            f"{d['true_mean_mm']:.3f} mm on average, standard deviation {np.std(d['true_mm']):.3f}"
        )
    moving = [d for d in shown if np.std(d["true_mm"]) >= LEAST_SPREAD_MM]
    if moving:
        lines.append(
            f"FD, each of the {len(moving)} participants whose planted FD varies by "
            f"{LEAST_SPREAD_MM:g} mm and more: least r {min(d['r'] for d in moving):.4f}, slope "
            f"{min(d['slope'] for d in moving):.3f} to {max(d['slope'] for d in moving):.3f}"
        )
    lines.append(
        f"FD, one participant at a time: least r {min(d['r'] for d in shown):.4f}, slope "
        f"{min(d['slope'] for d in shown):.3f} to {max(d['slope'] for d in shown):.3f}, "
        f"mean FD {min(d['true_mean_mm'] for d in shown):.2f} to "
        f"{max(d['true_mean_mm'] for d in shown):.2f} mm"
    )
    for limit in LIMITS_MM:
        alike = sum(d["sides"][str(limit)][0] for d in shown)
        judged = sum(d["sides"][str(limit)][1] for d in shown)
        lines.append(
            f"same side of {limit} mm: {alike} of {judged} frames ({100 * alike / judged:.2f} %)"
        )
    for what, name in (("thermal noise alone", "still_noise_only"), ("BOLD, breathing", "still")):
        seems = max(r[name]["still_mean_fd_mm"] for r in records)
        lines.append(f"still head ({what}), mean FD: at most {seems:.4f} mm")
    stills = [r["still"] for r in records]
    for name in ("20 mm", "20 degrees"):
        jumps = [s["jumps"][name] for s in stills]
        good = sum(j["error_mm"] <= 0.5 for j in jumps)
        silent = sum(j["error_mm"] > 0.5 and not j["flagged"] for j in jumps)
        lines.append(
            f"one frame {name} off: recovered {good} of {len(jumps)} (worst error "
            f"{max(j['error_mm'] for j in jumps):.2f} mm), silently wrong {silent}"
        )
    compared = [r["same_volumes"] for r in records if "same_volumes" in r]
    for name in compared[0] if compared else ():
        values = np.array([c[name] for c in compared])
        lines.append(
            f"same volumes, {name}: mean {values[:, 0].mean():.3f}, 95th percentile "
            f"{values[:, 1].mean():.3f}, worst {values[:, 2].max():.3f} mm"
        )
    return lines
