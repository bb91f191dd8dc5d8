"""How a simulated scanner is set, which faults it can have, and where its slab lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from app.core.arrays import Floats
from app.core.errors import AppError
from app.simulation.anatomy import Anatomy, AnatomySettings, rotation_matrix
from app.simulation.cohort import CohortSettings
from app.simulation.signature import parcel_table

FAULTS = (
    "none",
    "strong_motion",  # mean FD far above any limit
    "truncated_view",  # the slab misses the upper part of the brain
    "signal_loss",  # a third of the brain lies in the dark
    "flipped",  # the data are mirrored, the header does not say so
    "low_tsnr",  # thermal noise of a broken coil
    "wrong_repetition_time",  # sidecar and header disagree
)


@dataclass(frozen=True, slots=True)
class ScannerSettings:
    """The protocol and the physics of one scan; the defaults are a plain 3 T protocol.

    `shape` and `voxel_mm` are in RAS+ order. `phase_encoding` is BIDS's letter on the RAS+ grid:
    with ``j`` the frontal signal is pushed to the front, with ``j-`` to the back.
    `thermal_tsnr` is brain signal over thermal noise; breathing, pulse, motion and BOLD lower
    the measured value. `storage` is the order in which the file keeps its axes.
    """

    shape: tuple[int, int, int] = (64, 64, 36)
    voxel_mm: tuple[float, float, float] = (3.4, 3.4, 4.0)
    thermal_tsnr: float = 100.0
    phase_encoding: str = "j-"
    distortion_mm: float = 5.0  # largest shift, at most 8
    dropout: float = 1.0
    bias: bool = True
    oblique: bool = True
    physiology: float = 1.0
    drift: float = 1.0
    motion: float = 1.0  # factor on the person's own level
    ghost: float = 0.01  # Nyquist ghost, share of the signal
    flip_angle_deg: float = 77.0
    discarded_frames: int = 0  # taken away by the scanner before the file begins
    interleaved: bool = True
    storage: str = "LAS"
    fine_mm: float = 1.5
    signal_level: float = 1500.0  # of grey matter, in stored units
    t1w_mm: float = 2.0
    fault: str = "none"

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise AppError(
                f"Unknown fault '{self.fault}'.",
                f"Choose one of: {', '.join(FAULTS)}.",
                code="simulation.settings",
            )
        if self.phase_encoding not in ("j", "j-", "i", "i-"):
            raise AppError(
                f"Unknown phase-encoding direction '{self.phase_encoding}'.",
                "Choose one of: j, j-, i, i-.",
                code="simulation.settings",
            )
        if min(self.shape) < 8 or min(self.voxel_mm) <= 0 or not 0 <= self.distortion_mm <= 8:
            raise AppError(
                "The simulated grid needs at least 8 voxels a side, voxel sizes above 0 mm and "
                "a distortion of 0-8 mm.",
                f"Got {self.shape}, {self.voxel_mm} and {self.distortion_mm}.",
                code="simulation.settings",
            )


# A whole head on few voxels: 187 x 218 x 157 mm.
SMALL_SCANNER = ScannerSettings(
    shape=(36, 42, 28), voxel_mm=(5.2, 5.2, 5.6), fine_mm=2.0, t1w_mm=3.0
)


@dataclass(frozen=True, slots=True)
class ParticipantSettings:
    """One simulated person in one simulated scanner; all that a scan depends on."""

    cohort: CohortSettings = field(default_factory=CohortSettings)
    index: int = 0
    scanner: ScannerSettings = field(default_factory=ScannerSettings)
    anatomy: AnatomySettings = field(default_factory=AnatomySettings)


def small_participant(seed: int, index: int = 0, *, fault: str = "none") -> ParticipantSettings:
    """The fixture: 200 frames of 36 x 42 x 28 voxels, made in a few seconds."""
    return ParticipantSettings(
        cohort=CohortSettings(seed=seed, frames=200),
        index=index,
        scanner=replace(SMALL_SCANNER, fault=fault),
    )


def native_affine(anatomy: Anatomy, scanner: ScannerSettings, seed: int) -> Floats:
    """RAS+ voxel -> scanner mm of the slab: tilted after the head's nodding, centred on it."""
    rng = np.random.default_rng([seed, 51])
    nodding = float(np.arctan2(anatomy.affine[2, 1], anatomy.affine[1, 1]))
    jitter = np.deg2rad(1.0) * rng.standard_normal(3)
    turn = np.array([0.7 * nodding, 0.0, 0.0]) + jitter
    rotation = rotation_matrix(turn) if scanner.oblique else np.eye(3)
    centroids = anatomy.template_to_scanner(parcel_table().centroids_mm) @ rotation
    centre = 0.5 * (centroids.min(0) + centroids.max(0)) + rng.uniform(-1.5, 1.5, 3)
    if scanner.fault == "truncated_view":
        centre[2] -= 0.42 * scanner.shape[2] * scanner.voxel_mm[2]
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(scanner.voxel_mm)
    middle = (np.array(scanner.shape) - 1) / 2.0
    affine[:3, 3] = rotation @ centre - affine[:3, :3] @ middle
    return affine


def slice_times(scanner: ScannerSettings, repetition_time_s: float) -> Floats:
    """Seconds after the start of the volume at which each RAS+ slice is taken."""
    count = scanner.shape[2]
    order = np.arange(count)
    if scanner.interleaved:
        order = np.concatenate([order[0::2], order[1::2]])
    times = np.empty(count)
    times[order] = np.arange(count) * repetition_time_s / count
    return np.round(times, 6)
