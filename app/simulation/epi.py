"""What the scanner makes of a head: contrast, distortion, drop-out, bias, physiology, T1 decay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats, Ints
from app.simulation.anatomy import (
    CSF,
    MARKER,
    OTHER_GREY,
    SCALP,
    WHITE,
    Anatomy,
    AnatomySettings,
    sample_head,
    tissue_shares,
)

LABEL_COUNT = 432
EPI_CONTRAST = {"csf": 1.20, "grey": 1.00, "white": 0.74}  # T2*-weighted, steady state
SCALP_SIGNAL, MARKER_SIGNAL = 0.16, 1.6
# (template mm, width mm, shift relative to the largest): frontal sinus, both ear canals
FIELD_SOURCES = (
    (np.array([0.0, 44.0, -22.0]), 17.0, 1.0),
    (np.array([-52.0, -22.0, -28.0]), 15.0, -0.6),
    (np.array([52.0, -22.0, -28.0]), 15.0, -0.6),
)
DROPOUT_SOURCES = (
    (np.array([0.0, 36.0, -26.0]), 11.0, 0.75),
    (np.array([-46.0, -12.0, -40.0]), 11.0, 0.60),
    (np.array([46.0, -12.0, -40.0]), 11.0, 0.60),
)
T1_SECONDS = {"grey": 1.33, "white": 0.83, "csf": 4.0}  # 3 T


@dataclass(frozen=True, slots=True)
class FineHead:
    """The head as EPI shows it at the reference pose, on a fine grid along scanner axes."""

    base: Floats  # (x, y, z), grey matter about 1
    labels: Ints  # (x, y, z)
    affine: Floats  # (4, 4), fine voxel -> scanner mm
    shift_mm: Floats  # (x, y, z), distortion at observed places, mm along phase encoding


def fine_grid(anatomy: Anatomy, spacing_mm: float) -> tuple[tuple[int, int, int], Floats]:
    """Shape and affine of a grid that holds the whole head with its scalp."""
    low, high = np.array([-88.0, -124.0, -74.0]), np.array([88.0, 90.0, 98.0])
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    placed = (low + corners * (high - low)) @ anatomy.affine[:3, :3].T + anatomy.affine[:3, 3]
    start = np.floor(placed.min(0) - 4.0)
    shape = tuple(int(n) for n in np.ceil((placed.max(0) + 4.0 - start) / spacing_mm) + 1)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = start
    return (shape[0], shape[1], shape[2]), affine


def distortion_mm(template_points_mm: Floats, largest_mm: float) -> Floats:
    """Shift along the phase-encoding axis at observed points, shape (point,)."""
    total = np.zeros(len(template_points_mm))
    for centre, width, height in FIELD_SOURCES:
        square = ((template_points_mm - centre) ** 2).sum(1)
        total += height * np.exp(-0.5 * square / width**2)
    return np.asarray(largest_mm * total)


def make_fine_head(
    anatomy: Anatomy,
    settings: AnatomySettings,
    *,
    spacing_mm: float,
    phase_axis: Floats,
    largest_shift_mm: float,
    dropout: float,
) -> FineHead:
    """Render the resting EPI head.

    Parameters
    ----------
    anatomy, settings
        Whose head.
    spacing_mm
        Of the fine grid.
    phase_axis
        (3,), unit vector in scanner mm; a positive shift moves signal along it.
    largest_shift_mm
        Of the distortion, signed by the polarity; its Jacobian scales the intensity.
    dropout
        0..1 factor on the default depth of signal loss near air.
    """
    shape, affine = fine_grid(anatomy, spacing_mm)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    observed = grid.reshape(-1, 3) * spacing_mm + affine[:3, 3]
    template = anatomy.scanner_to_template(observed)
    shift = distortion_mm(template, largest_shift_mm)
    if largest_shift_mm != 0:
        source = observed - shift[:, None] * phase_axis
        template = anatomy.scanner_to_template(source)
    volume = shift.reshape(shape)
    slope = sum(np.gradient(volume, spacing_mm, axis=a) * phase_axis[a] for a in range(3))
    jacobian = np.clip(1.0 - np.asarray(slope), 0.1, 3.0)
    intensity, label, _ = sample_head(template, settings)
    csf, grey, white = tissue_shares(intensity)
    base = EPI_CONTRAST["csf"] * csf + EPI_CONTRAST["grey"] * grey + EPI_CONTRAST["white"] * white
    base = np.where(intensity > 3, base * np.clip(intensity / 20.0, 0, 1), 0.0)
    for centre, width, depth in DROPOUT_SOURCES:
        square = ((template - centre) ** 2).sum(1)
        base *= 1.0 - dropout * depth * np.exp(-0.5 * square / width**2)
    base[label == SCALP] = SCALP_SIGNAL
    base[label == MARKER] = MARKER_SIGNAL
    result = (base.reshape(shape) * jacobian).astype(np.float32)
    return FineHead(result, label.reshape(shape), affine, volume.astype(np.float32))


def steady_state_factors(frames: int, repetition_time_s: float, flip_angle_deg: float) -> Floats:
    """Signal over its steady state in each frame and label, shape (frame, label).

    Spoiled gradient echo from full magnetisation: ``M(n) = Mss + (1 - Mss) (E1 cos a)^n`` with
    ``Mss = (1 - E1) / (1 - E1 cos a)``.
    """
    cosine = np.cos(np.deg2rad(flip_angle_deg))
    tissue = np.full(LABEL_COUNT, T1_SECONDS["grey"])
    tissue[[WHITE, SCALP]] = T1_SECONDS["white"]
    tissue[CSF] = T1_SECONDS["csf"]
    e1 = np.exp(-repetition_time_s / tissue)
    steady = (1 - e1) / (1 - e1 * cosine)
    power = (e1 * cosine)[None, :] ** np.arange(frames)[:, None]
    return np.asarray(1.0 + (1.0 / steady - 1.0) * power)


@dataclass(frozen=True, slots=True)
class Physiology:
    """Breathing and pulse of one scan as phases over time."""

    breathing_hz: float
    pulse_hz: float
    breathing_phase: Floats  # (tick,), radians, ten ticks a second
    pulse_phase: Floats

    def wave(self, kind: str, seconds: Floats) -> Floats:
        """Sine of the phase at the given times, any shape."""
        phase = self.breathing_phase if kind == "breathing" else self.pulse_phase
        return np.sin(np.interp(seconds, np.arange(len(phase)) / 10.0, phase))


def draw_physiology(seed: int, duration_s: float) -> Physiology:
    """Draw rates that wander: breathing about 0.27 Hz, pulse about 1.1 Hz."""
    from scipy.ndimage import gaussian_filter1d

    rng = np.random.default_rng([seed, 41])
    breathing, pulse = rng.uniform(0.22, 0.32), rng.uniform(0.95, 1.25)
    ticks = int(duration_s * 10) + 40
    phases = []
    for rate, spread in ((breathing, 0.10), (pulse, 0.04)):
        wander = gaussian_filter1d(rng.standard_normal(ticks), 80.0)
        wander *= spread / max(float(wander.std()), 1e-9)
        start = rng.uniform(0, 2 * np.pi)
        phases.append(start + 2 * np.pi * np.cumsum(rate * (1 + wander)) / 10.0)
    return Physiology(float(breathing), float(pulse), phases[0], phases[1])


def tissue_signals(
    seed: int, physiology: Physiology, seconds: Floats, strength: float
) -> dict[int, Floats]:
    """Relative fluctuation of the tissues that are no parcels, same shape as `seconds`."""
    from scipy.ndimage import gaussian_filter1d

    rng = np.random.default_rng([seed, 42])
    ticks = int(seconds.max()) + 4
    slow = {}
    for label, sd in ((WHITE, 0.0025), (CSF, 0.012), (OTHER_GREY, 0.006)):
        noise = gaussian_filter1d(rng.standard_normal(ticks), 5.0)
        noise *= sd / max(float(noise.std()), 1e-9)
        slow[label] = np.interp(seconds, np.arange(ticks), noise)
    pulse = physiology.wave("pulse", seconds)
    breathing = physiology.wave("breathing", seconds)
    slow[CSF] = slow[CSF] + 0.012 * pulse + 0.004 * breathing
    slow[WHITE] = slow[WHITE] + 0.001 * breathing
    return {label: strength * value for label, value in slow.items()}


def bias_field(native_index: Floats, shape: tuple[int, int, int], seed: int) -> Floats:
    """Receive sensitivity at native voxels (voxel, 3), smooth, mean near 1, about +-25 %."""
    rng = np.random.default_rng([seed, 43])
    u = 2.0 * native_index / (np.array(shape) - 1.0) - 1.0
    weights = rng.uniform(-0.08, 0.08, 3)
    field = 0.30 * ((u**2).sum(1) / 3.0 - 0.2) + u @ weights - 0.05 * u[:, 1]
    return np.asarray(1.0 + field)
