"""What can go wrong with a scan without anybody saying so: kinds of corruption in five severities.

Each takes cleaned parcel series (frame, parcel) in percent and gives other series; severity runs
from 1 (hardly there) to 5 (gross). Some are faults of scanners and pipelines, some are people who
differ from the training people.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.simulation.signature import in_networks, parcel_table

Series = np.ndarray
Rng = np.random.Generator
Corruption = Callable[[Series, int, Rng], Series]
TR_S = 2.0


def _sd(x: Series) -> float:
    return float(x.std())


def _wave(x: Series, hertz: float, rng: Rng) -> np.ndarray:
    seconds = TR_S * np.arange(len(x))
    return np.sin(2 * np.pi * (hertz * seconds + rng.random()))


def _some(x: Series, share: float, rng: Rng) -> np.ndarray:
    count = max(1, round(share * x.shape[1]))
    return rng.permutation(x.shape[1])[:count]


def _filtered(x: Series, gain: Callable[[np.ndarray], np.ndarray]) -> Series:
    hertz = np.fft.rfftfreq(len(x), TR_S)
    return np.fft.irfft(np.fft.rfft(x, axis=0) * gain(hertz)[:, None], n=len(x), axis=0)


def white_noise(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.35 * s * _sd(x) * rng.standard_normal(x.shape)


def heavy_tailed_noise(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.15 * s * _sd(x) * rng.standard_t(2, x.shape)


def global_signal(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.3 * s * _sd(x) * rng.standard_normal((len(x), 1))


def slow_global_waves(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.4 * s * _sd(x) * _wave(x, 0.02, rng)[:, None]


def breathing(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.4 * s * _sd(x) * np.outer(_wave(x, 0.22, rng), rng.standard_normal(x.shape[1]))


def pulse(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.4 * s * _sd(x) * np.outer(_wave(x, 0.12, rng), rng.standard_normal(x.shape[1]))


def drift(x: Series, s: int, rng: Rng) -> Series:
    ramp = np.linspace(-1.0, 1.0, len(x))
    return x + 0.6 * s * _sd(x) * np.outer(ramp, rng.standard_normal(x.shape[1]))


def spikes(x: Series, s: int, rng: Rng) -> Series:
    found = x.copy()
    frames = rng.permutation(len(x))[: 2 * s]
    found[frames] += 4.0 * _sd(x) * rng.standard_normal((len(frames), x.shape[1]))
    return found


def motion_steps(x: Series, s: int, rng: Rng) -> Series:
    steps = np.zeros(len(x))
    steps[rng.permutation(len(x))[: 2 * s]] = 1.0
    moved = np.cumsum(steps * rng.choice([-1.0, 1.0], len(x)))
    return x + 0.5 * s * _sd(x) * np.outer(moved - moved.mean(), rng.standard_normal(x.shape[1]))


def smoothed_in_time(x: Series, s: int, rng: Rng) -> Series:
    return _filtered(x, lambda hertz: 1.0 / (1.0 + (hertz * 2.5 * s) ** 4))


def slow_removed(x: Series, s: int, rng: Rng) -> Series:
    return _filtered(x, lambda hertz: (hertz > 0.012 * s).astype(float))


def other_gain(x: Series, s: int, rng: Rng) -> Series:
    return x * (1.0 + 0.35 * s)


def one_network_louder(x: Series, s: int, rng: Rng) -> Series:
    return x * np.where(in_networks("Frontoparietal"), 1.0 + 0.5 * s, 1.0)


def one_side_louder(x: Series, s: int, rng: Rng) -> Series:
    left = np.array([side == "L" for side in parcel_table().hemispheres])
    return x * np.where(left, 1.0 + 0.4 * s, 1.0)


def blurred(x: Series, s: int, rng: Rng) -> Series:
    places = parcel_table().centroids_mm
    squares = ((places[:, None] - places[None]) ** 2).sum(-1)
    weights = np.exp(-0.5 * squares / (5.0 * s) ** 2)
    return x @ (weights / weights.sum(1, keepdims=True)).T


def sides_exchanged(x: Series, s: int, rng: Rng) -> Series:
    order, mirror = np.arange(x.shape[1]), parcel_table().mirror_of
    chosen = _some(x, 0.2 * s, rng)
    order[chosen] = mirror[chosen]
    return x[:, order]


def parcels_shuffled(x: Series, s: int, rng: Rng) -> Series:
    order, chosen = np.arange(x.shape[1]), _some(x, 0.2 * s, rng)
    order[chosen] = rng.permutation(chosen)
    return x[:, order]


def parcels_off_by_some(x: Series, s: int, rng: Rng) -> Series:
    return np.roll(x, 2 * s, axis=1)


def networks_exchanged(x: Series, s: int, rng: Rng) -> Series:
    one = np.flatnonzero(in_networks("Somatomotor"))
    other = np.flatnonzero(in_networks("Default"))
    count = min(len(one), len(other)) * s // 5
    order = np.arange(x.shape[1])
    order[one[:count]], order[other[:count]] = other[:count], one[:count]
    return x[:, order]


def wrong_repetition_time(x: Series, s: int, rng: Rng) -> Series:
    places = np.linspace(0, len(x) - 1, len(x)) / (1.0 + 0.15 * s)
    return np.stack([np.interp(places, np.arange(len(x)), column) for column in x.T], axis=1)


def frames_dropped(x: Series, s: int, rng: Rng) -> Series:
    kept = np.sort(rng.permutation(len(x))[: len(x) - round(0.12 * s * len(x))])
    return x[kept]


def frozen_frames(x: Series, s: int, rng: Rng) -> Series:
    found, length = x.copy(), 6 * s
    start = int(rng.integers(0, len(x) - length))
    found[start : start + length] = found[start]
    return found


def held_twice(x: Series, s: int, rng: Rng) -> Series:
    """Every frame stands for several: a scan resampled by repetition."""
    return x[(np.arange(len(x)) // (s + 1)) * (s + 1)]


def clipped(x: Series, s: int, rng: Rng) -> Series:
    limit = _sd(x) * (2.2 - 0.4 * s)
    return np.clip(x, -limit, limit)


def coarse_values(x: Series, s: int, rng: Rng) -> Series:
    step = 0.5 * s * _sd(x)
    return np.round(x / step) * step


def signs_flipped(x: Series, s: int, rng: Rng) -> Series:
    found = x.copy()
    found[:, _some(x, 0.08 * s, rng)] *= -1.0
    return found


def parcels_lost(x: Series, s: int, rng: Rng) -> Series:
    """Replaced by the mean of the brain, as careless filling does."""
    found, mean = x.copy(), x.mean(axis=1)
    chosen = _some(x, 0.1 * s, rng)
    found[:, chosen] = mean[:, None] + 0.01 * rng.standard_normal((len(x), len(chosen)))
    return found


def task_seen(x: Series, s: int, rng: Rng) -> Series:
    blocks = np.sign(_wave(x, 1.0 / 40.0, rng))
    return x + 0.4 * s * _sd(x) * np.outer(blocks, in_networks("Visual"))


def task_moved(x: Series, s: int, rng: Rng) -> Series:
    blocks = np.sign(_wave(x, 1.0 / 30.0, rng))
    return x + 0.4 * s * _sd(x) * np.outer(blocks, in_networks("Somatomotor"))


def coupled_networks(x: Series, s: int, rng: Rng) -> Series:
    shared = rng.standard_normal(len(x))
    both = in_networks("Ventral Attention", "Somatomotor")
    return x + 0.35 * s * _sd(x) * np.outer(shared, both)


def all_more_alike(x: Series, s: int, rng: Rng) -> Series:
    return x + 0.3 * s * x.mean(axis=1, keepdims=True)


def global_signal_removed(x: Series, s: int, rng: Rng) -> Series:
    return x - 0.2 * s * x.mean(axis=1, keepdims=True)


def parcels_on_their_own(x: Series, s: int, rng: Rng) -> Series:
    """Phases of some parcels drawn anew: spectrum kept, connectivity gone."""
    found = x.copy()
    for parcel in _some(x, 0.15 * s, rng):
        spectrum = np.fft.rfft(x[:, parcel])
        turned = spectrum * np.exp(2j * np.pi * rng.random(len(spectrum)))
        found[:, parcel] = np.fft.irfft(turned, n=len(x))
    return found


def two_people(x: Series, s: int, rng: Rng) -> Series:
    """Part of the scan is somebody else's: here the same series, reversed in time and mirrored."""
    found, count = x.copy(), len(x) * s // 10
    found[:count] = x[::-1][:count, parcel_table().mirror_of]
    return found


def approach_to_steady_state(x: Series, s: int, rng: Rng) -> Series:
    decay = np.exp(-np.arange(len(x)) / 3.0)
    return x + 4.0 * s * _sd(x) * np.outer(decay, 1.0 + 0.3 * rng.standard_normal(x.shape[1]))


def alternating_frames(x: Series, s: int, rng: Rng) -> Series:
    signs = (-1.0) ** np.arange(len(x))
    return x + 0.3 * s * _sd(x) * np.outer(signs, 1.0 + 0.5 * rng.standard_normal(x.shape[1]))


def uncleaned(x: Series, s: int, rng: Rng) -> Series:
    """Slow noise that a missing high-pass leaves in."""
    slow = np.cumsum(rng.standard_normal(x.shape), axis=0)
    slow = (slow - slow.mean(0)) / slow.std(0)
    return x + 0.35 * s * _sd(x) * slow


def filtered_twice(x: Series, s: int, rng: Rng) -> Series:
    return _filtered(x, lambda hertz: (hertz < 0.22 - 0.035 * s).astype(float))


KINDS: tuple[Corruption, ...] = (
    white_noise, heavy_tailed_noise, global_signal, slow_global_waves, breathing, pulse, drift,
    spikes, motion_steps, smoothed_in_time, slow_removed, other_gain, one_network_louder,
    one_side_louder, blurred, sides_exchanged, parcels_shuffled, parcels_off_by_some,
    networks_exchanged, wrong_repetition_time, frames_dropped, frozen_frames, held_twice, clipped,
    coarse_values, signs_flipped, parcels_lost, task_seen, task_moved, coupled_networks,
    all_more_alike, global_signal_removed, parcels_on_their_own, two_people,
    approach_to_steady_state, alternating_frames, uncleaned, filtered_twice,
)  # fmt: skip
SEVERITIES = (1, 2, 3, 4, 5)
