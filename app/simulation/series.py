"""Parcel series of one simulated participant: individual covariance, individual spectrum.

White Gaussian noise is mixed by the Cholesky factor of the person's parcel covariance and then
shaped in frequency, parcel by parcel. The covariance is the sum of a network part (networks in
modules, coupled by an individual matrix), a homotopic part (mirror pairs), a smooth spatial
part, an individual low-rank part, a global part and an own part.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from app.core.arrays import Floats
from app.simulation.cohort import ParticipantTruth
from app.simulation.signature import (
    CONNECTIVITY_CONTROL,
    CONNECTIVITY_NETWORKS,
    COUPLING_OFFSET,
    COUPLING_PER_TRAIT,
    DYNAMICS_CONTROL,
    DYNAMICS_NETWORKS,
    MODULES,
    TILT_PER_TRAIT,
    in_networks,
    parcel_table,
)

SHARE = {
    "network": 0.40,
    "homotopic": 0.14,
    "spatial": 0.18,
    "individual": 0.04,
    "global": 0.05,
    "own": 0.19,
}
MODULE_CORRELATION = 0.35  # between modules of one network
SPATIAL_RANGE_MM = 14.0
INDIVIDUAL_COUPLING_SD = 0.08  # of every network pair, correlation
INDIVIDUAL_RANK = 10
SIGNAL_SD_PERCENT = 1.0
KNEE_HZ = 0.09  # power falls above
FLAT_BELOW_HZ = 0.01
TILT_CENTRE_HZ = 0.065
TYPICAL_COUPLING = {
    ("Visual", "Somatomotor"): 0.25,
    ("Visual", "Dorsal Attention"): 0.35,
    ("Somatomotor", "Dorsal Attention"): 0.25,
    ("Dorsal Attention", "Default"): -0.20,
    ("Ventral Attention", "Default"): -0.05,
    ("Dorsal Attention", "Frontoparietal"): 0.25,
    ("Ventral Attention", "Frontoparietal"): 0.25,
    ("Frontoparietal", "Default"): 0.15,
    ("Limbic", "Default"): 0.30,
    ("Thalamus", "Basal Ganglia"): 0.40,
    ("Thalamus", "Deep Nuclei"): 0.35,
    ("Basal Ganglia", "Deep Nuclei"): 0.35,
}
OTHER_COUPLING = 0.10
PADDING_FRAMES = 64  # the Fourier series is periodic; the end must not know the beginning


@lru_cache(maxsize=1)
def _common_parts() -> tuple[Floats, Floats, Floats]:
    """Typical network coupling, homotopic + spatial covariance, typical parcel loadings."""
    table = parcel_table()
    count = len(table.names)
    names = table.network_names
    typical = np.full((len(names), len(names)), OTHER_COUPLING)
    for (first, second), value in TYPICAL_COUPLING.items():
        a, b = names.index(first), names.index(second)
        typical[a, b] = typical[b, a] = value
    np.fill_diagonal(typical, 1.0)
    homotopic = np.eye(count)
    homotopic[np.arange(count), table.mirror_of] = 1.0
    step = table.centroids_mm[:, None, :] - table.centroids_mm[None, :, :]
    spatial = np.exp(-0.5 * (step**2).sum(-1) / SPATIAL_RANGE_MM**2)
    fixed = (
        SHARE["homotopic"] * homotopic
        + SHARE["spatial"] * spatial
        + SHARE["own"] * np.eye(count)
        + SHARE["global"]
    )
    # a property of the population, hence a seed of its own that no setting touches
    loadings = np.exp(0.15 * np.random.default_rng(20260101).standard_normal(count))
    return typical, fixed, loadings


def network_coupling(truth: ParticipantTruth) -> Floats:
    """The person's network-by-network correlation, shape (network, network)."""
    typical, _, _ = _common_parts()
    names = parcel_table().network_names
    rng = np.random.default_rng([truth.brain_seed, 1])
    noise = np.triu(rng.standard_normal(typical.shape), 1) * INDIVIDUAL_COUPLING_SD
    matrix = typical + noise + noise.T
    shared = truth.suppressor_connectivity
    for pair, trait in (
        (CONNECTIVITY_NETWORKS, truth.trait_connectivity + shared),
        (CONNECTIVITY_CONTROL, shared),
    ):
        a, b = names.index(pair[0]), names.index(pair[1])
        value = np.tanh(COUPLING_OFFSET + COUPLING_PER_TRAIT * trait)
        matrix[a, b] = matrix[b, a] = value
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < 0.02:  # bend the few impossible draws to the nearest valid matrix
        matrix = (vectors * np.maximum(values, 0.02)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(matrix))
    return np.asarray(matrix * scale[:, None] * scale[None, :])


def parcel_correlation(truth: ParticipantTruth) -> Floats:
    """Expected zero-lag parcel correlation before spectral shaping, shape (parcel, parcel)."""
    table = parcel_table()
    _, fixed, loadings = _common_parts()
    rng = np.random.default_rng([truth.brain_seed, 2])
    own = loadings * np.exp(0.12 * rng.standard_normal(loadings.size))
    modules = MODULE_CORRELATION + (1 - MODULE_CORRELATION) * np.eye(MODULES)
    among = np.kron(network_coupling(truth), modules)
    node = table.network_of * MODULES + table.module_of
    network = among[np.ix_(node, node)] * own[:, None] * own[None, :]
    factor = rng.standard_normal((loadings.size, INDIVIDUAL_RANK)) / np.sqrt(INDIVIDUAL_RANK)
    covariance = fixed + SHARE["network"] * network + SHARE["individual"] * factor @ factor.T
    scale = 1.0 / np.sqrt(np.diag(covariance))
    return np.asarray(covariance * scale[:, None] * scale[None, :])


def spectral_amplitude(truth: ParticipantTruth, hertz: Floats) -> Floats:
    """Amplitude at each frequency of each parcel's series, shape (frequency, parcel).

    Flat up to the knee and falling as 1/f^2 in power above, with a mild 1/f rise towards zero;
    the traits tilt it around 0.065 Hz. Not normalised; zero at frequency 0.
    """
    table = parcel_table()
    rng = np.random.default_rng([truth.brain_seed, 3])
    personal = 0.10 * rng.standard_normal()
    tilt_of_network = personal + 0.08 * rng.standard_normal(len(table.network_names))
    tilt = tilt_of_network[table.network_of]
    shared = truth.suppressor_dynamics
    tilt = tilt + TILT_PER_TRAIT * (
        in_networks(*DYNAMICS_NETWORKS) * (truth.trait_dynamics + shared)
        + in_networks(*DYNAMICS_CONTROL) * shared
    )
    f = np.maximum(hertz, FLAT_BELOW_HZ)
    power = (0.03 / f) ** 0.5 / (1.0 + (f / KNEE_HZ) ** 4)
    power = power + 0.02
    shape = -0.5 * np.tanh(2.0 * np.log(f / TILT_CENTRE_HZ))
    amplitude = np.sqrt(power)[:, None] * np.exp(0.5 * shape[:, None] * tilt[None, :])
    amplitude[hertz <= 0] = 0.0
    return np.asarray(amplitude)


def parcel_spectrum(
    truth: ParticipantTruth, frames: int, repetition_time_s: float, scan: int = 0
) -> tuple[Floats, int]:
    """Complex spectrum of the padded series and its length; see `parcel_series`."""
    from scipy.fft import next_fast_len
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    length = int(next_fast_len(frames + PADDING_FRAMES, real=True))
    length += length % 2
    hertz = np.fft.rfftfreq(length, repetition_time_s)
    rng = np.random.default_rng([truth.scan_seed, scan, 4])
    white = rng.standard_normal((2, hertz.size, len(parcel_table().names)))
    with threadpool_limits(1, user_api="blas"):  # the bits must not depend on threads
        mixing = np.linalg.cholesky(parcel_correlation(truth)).T
        white = white @ mixing
    amplitude = spectral_amplitude(truth, hertz)
    weight = np.full(hertz.size, 2.0)
    weight[[0, -1]] = 1.0
    # variance of irfft: sum over frequencies of weight * |X|^2 / n^2, with E|white|^2 = 2
    variance = (weight[:, None] * 2.0 * amplitude**2).sum(0) / length**2
    person = np.random.default_rng([truth.brain_seed, 5])
    size = SIGNAL_SD_PERCENT * np.exp(0.08 * person.standard_normal())
    size = size * np.exp(0.12 * person.standard_normal(amplitude.shape[1]))
    size = size * (1.0 - 0.002 * (truth.age_years - 55.0))
    spectrum = (white[0] + 1j * white[1]) * amplitude * (size / np.sqrt(variance))
    spectrum[-1] = spectrum[-1].real
    return spectrum, length


def series_at(spectrum: Floats, length: int, offset_frames: float, frames: int) -> Floats:
    """Band-limited series at ``(frame + offset_frames)`` for each frame, (frame, parcel)."""
    phase = np.exp(2j * np.pi * np.arange(len(spectrum)) * offset_frames / length)
    return np.asarray(np.fft.irfft(spectrum * phase[:, None], n=length, axis=0)[:frames])


def parcel_series(
    truth: ParticipantTruth, frames: int, repetition_time_s: float, scan: int = 0
) -> Floats:
    """BOLD signal of each parcel in percent of its baseline, free of noise.

    Parameters
    ----------
    truth
        Whose brain.
    frames
        How many frames.
    repetition_time_s
        Seconds between frames.
    scan
        Number of the scan; another one gives the same brain another hour.

    Returns
    -------
    ndarray, shape (frame, parcel), float64
        Standard deviation about 1 percent.
    """
    spectrum, length = parcel_spectrum(truth, frames, repetition_time_s, scan)
    return series_at(spectrum, length, 0.0, frames)
