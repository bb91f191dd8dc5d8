"""Statistics of the parcel series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_participant
from app.simulation.series import parcel_correlation, parcel_series, parcel_spectrum, series_at
from app.simulation.signature import in_networks, parcel_table, slow_fast_log_ratio


@pytest.fixture(scope="module")
def person() -> ParticipantTruth:
    return draw_participant(CohortSettings(seed=21), 3)


def test_that_series_have_about_one_percent_deviation_and_no_mean(person: ParticipantTruth) -> None:
    series = parcel_series(person, 1000, 2.0)
    assert series.shape == (1000, 426)
    assert series.dtype == np.float64
    assert 0.75 < series.std(0).mean() < 1.3
    assert np.abs(series.mean(0)).max() < 0.3


def test_that_series_are_the_same_bits_twice_and_differ_between_scans(
    person: ParticipantTruth,
) -> None:
    first, second = (parcel_series(person, 60, 2.0) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert not np.allclose(first, parcel_series(person, 60, 2.0, scan=1))


def test_that_observed_correlation_follows_the_planned_one(person: ParticipantTruth) -> None:
    planned = parcel_correlation(person)
    assert np.allclose(planned, planned.T)
    assert np.linalg.eigvalsh(planned)[0] > 0
    observed = np.corrcoef(parcel_series(person, 4000, 2.0).T)
    upper = np.triu_indices(426, 1)
    assert np.corrcoef(planned[upper], observed[upper])[0, 1] > 0.9
    assert abs((observed[upper] - planned[upper]).mean()) < 0.02


def test_that_mirror_pairs_and_networks_correlate_more(person: ParticipantTruth) -> None:
    planned = parcel_correlation(person)
    table = parcel_table()
    index = np.arange(426)
    mirrored = planned[index, table.mirror_of].mean()
    same = table.network_of[:, None] == table.network_of[None, :]
    off = ~np.eye(426, dtype=bool)
    assert mirrored > planned[same & off].mean() > planned[~same].mean() + 0.08


def test_that_power_falls_with_frequency(person: ParticipantTruth) -> None:
    series = parcel_series(person, 2000, 2.0)
    power = np.abs(np.fft.rfft(series, axis=0)[1:]) ** 2
    hertz = np.fft.rfftfreq(2000, 2.0)[1:]
    bands = [(0.01, 0.05), (0.05, 0.1), (0.1, 0.15), (0.15, 0.25)]
    density = [power[(hertz >= a) & (hertz < b)].mean() for a, b in bands]
    assert density[0] > density[1] > density[2] > density[3]


def test_that_the_dynamics_trait_tilts_the_spectrum_and_keeps_variance_and_correlation(
    person: ParticipantTruth,
) -> None:
    dynamics = in_networks("Frontoparietal", "Thalamus")
    low, high = (replace(person, trait_dynamics=value) for value in (-1.5, 1.5))
    series = [parcel_series(p, 2000, 2.0) for p in (low, high)]
    ratio = [slow_fast_log_ratio(x, dynamics, 2.0) for x in series]
    assert 0.8 < ratio[1] - ratio[0] < 2.0
    other = [slow_fast_log_ratio(x, ~dynamics, 2.0) for x in series]
    assert abs(other[1] - other[0]) < 0.02
    spread = [x[:, dynamics].std(0).mean() for x in series]
    assert abs(spread[1] / spread[0] - 1) < 0.05
    inside = [np.corrcoef(x[:, dynamics].T).mean() for x in series]
    assert abs(inside[1] - inside[0]) < 0.03


def test_that_the_connectivity_trait_moves_its_block_only(person: ParticipantTruth) -> None:
    low, high = (
        parcel_correlation(replace(person, trait_connectivity=value)) for value in (-0.5, 1.0)
    )
    change = high - low
    ventral, motor = in_networks("Ventral Attention"), in_networks("Somatomotor")
    assert change[np.ix_(ventral, motor)].mean() > 0.03
    assert np.abs(change[np.ix_(~ventral, ~motor)]).mean() < 0.003
    assert np.abs(change[np.ix_(ventral, ventral)]).mean() < 0.003


def test_that_series_at_an_offset_lie_between_their_neighbours(person: ParticipantTruth) -> None:
    spectrum, length = parcel_spectrum(person, 50, 2.0)
    now, whole = series_at(spectrum, length, 0.0, 51), series_at(spectrum, length, 1.0, 50)
    assert np.allclose(whole, now[1:], atol=1e-9)
    half = series_at(spectrum, length, 0.5, 50)
    assert np.corrcoef(half.ravel(), (0.5 * (now[1:] + now[:-1])).ravel())[0, 1] > 0.95
