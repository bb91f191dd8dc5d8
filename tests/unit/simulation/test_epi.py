"""Contrast, distortion, T1 decay and physiology."""

from __future__ import annotations

import numpy as np
import pytest

from app.simulation.anatomy import CSF, AnatomySettings, draw_anatomy
from app.simulation.epi import (
    FIELD_SOURCES,
    bias_field,
    distortion_mm,
    draw_physiology,
    make_fine_head,
    steady_state_factors,
    tissue_signals,
)

AXIS = np.array([0.0, 1.0, 0.0])


def head(shift: float, dropout: float = 0.0):  # type: ignore[no-untyped-def]
    anatomy = draw_anatomy(2, AnatomySettings())
    return make_fine_head(
        anatomy,
        AnatomySettings(),
        spacing_mm=3.0,
        phase_axis=AXIS,
        largest_shift_mm=shift,
        dropout=dropout,
    )


def test_that_distortion_reaches_its_size_in_front_and_is_opposite_at_the_ears() -> None:
    front, left, right = (source[0] for source in FIELD_SOURCES)
    values = distortion_mm(np.array([front, left, right, [0.0, -60, 60]]), 8.0)
    assert values[0] == pytest.approx(8.0, abs=0.3)
    assert values[1] < -4
    assert values[2] < -4
    assert abs(values[3]) < 0.01


def test_that_the_two_polarities_move_signal_to_opposite_sides() -> None:
    still, front, back = head(0.0), head(6.0), head(-6.0)
    y = np.arange(still.base.shape[1])[None, :, None] * 3.0
    changed = still.shift_mm + np.abs(front.shift_mm) > 2.5

    def place(volume: np.ndarray) -> float:
        part = volume * changed
        return float((part * y).sum() / part.sum())

    assert place(front.base) > place(still.base) > place(back.base)


def test_that_distortion_keeps_the_total_signal() -> None:
    # the Jacobian spreads or piles up the same signal
    assert head(6.0).base.sum() == pytest.approx(head(0.0).base.sum(), rel=0.01)


def test_that_dropout_darkens_near_air_only() -> None:
    bright, dark = head(0.0), head(0.0, 1.0)
    assert dark.base.min() >= 0
    lost = 1.0 - dark.base.sum() / bright.base.sum()
    assert 0.005 < lost < 0.08


def test_that_the_approach_to_steady_state_follows_the_bloch_equation() -> None:
    factors = steady_state_factors(6, 2.0, 77.0)
    cosine, e1 = np.cos(np.deg2rad(77.0)), np.exp(-2.0 / 4.0)
    magnetisation = [1.0]
    for _ in range(5):
        magnetisation.append(1 - (1 - magnetisation[-1] * cosine) * e1)
    steady = (1 - e1) / (1 - e1 * cosine)
    assert np.allclose(factors[:, CSF], np.array(magnetisation) / steady)
    assert np.allclose(steady_state_factors(40, 2.0, 77.0)[-1], 1.0)


def test_that_physiology_has_the_stated_rates_and_csf_fluctuates_most() -> None:
    body = draw_physiology(9, 400.0)
    seconds = np.arange(0, 400, 0.1)
    for kind, rate in (("breathing", body.breathing_hz), ("pulse", body.pulse_hz)):
        power = np.abs(np.fft.rfft(body.wave(kind, seconds))) ** 2
        peak = np.fft.rfftfreq(len(seconds), 0.1)[power.argmax()]
        assert peak == pytest.approx(rate, rel=0.2)
    signals = tissue_signals(9, body, np.arange(0, 400, 2.0), 1.0)
    assert signals[CSF].std() > 2 * max(v.std() for k, v in signals.items() if k != CSF)


def test_that_the_bias_field_is_smooth_and_moderate() -> None:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in (9, 11, 7)], indexing="ij"), -1)
    field = bias_field(index.reshape(-1, 3).astype(float), (9, 11, 7), 4)
    assert 0.6 < field.min() < field.max() < 1.6
