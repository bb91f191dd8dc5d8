"""The self-test finds what it is meant to find: right answers pass, each planted fault fails."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.cli.checks import (
    Check,
    check_case,
    check_repeat,
    displacement_correlation,
    motion_error_mm,
)
from app.cli.verify import table_text
from app.core.arrays import frozen
from app.core.results import Case, Motion
from app.simulation.motion import framewise_displacement, pose_matrix
from tests.sample_case import sample_case

CENTRE = np.array([2.0, -10.0, 15.0])


def truth_of(parameters: Any, series: Any = None) -> Any:
    return SimpleNamespace(motion=parameters, motion_centre_mm=CENTRE, series=series)


def motion_of(parameters: Any, centre: Any = CENTRE, reference: int = 0) -> Motion:
    distance = framewise_displacement(parameters)
    return Motion(parameters, centre, distance, distance, np.zeros(len(parameters)), reference)


@pytest.fixture
def drift() -> Any:
    rng = np.random.default_rng(2)
    return np.cumsum(rng.normal(0, [0.05, 0.05, 0.05, 1e-3, 1e-3, 1e-3], (30, 6)), axis=0)


def test_that_the_truth_itself_has_no_error(drift: Any) -> None:
    started_at_rest = drift - drift[0]
    assert motion_error_mm(motion_of(started_at_rest), truth_of(started_at_rest)) < 1e-12
    assert displacement_correlation(motion_of(drift), truth_of(drift)) == pytest.approx(1.0)


def test_that_a_known_shift_gives_its_length(drift: Any) -> None:
    drift[0] = 0.0
    shifted = drift.copy()
    shifted[:, 1] += 0.3
    assert motion_error_mm(motion_of(shifted), truth_of(drift)) == pytest.approx(0.3)


def test_that_reference_frame_and_centre_are_taken_into_account(drift: Any) -> None:
    """The same rigid motions, told about another centre and from another reference."""
    reference, other = 7, np.array([5.0, 20.0, -3.0])
    inverse = np.linalg.inv(pose_matrix(drift[reference], CENTRE))
    retold = np.zeros_like(drift)
    for frame, row in enumerate(drift):
        rigid = pose_matrix(row, CENTRE) @ inverse
        turn = rigid[:3, :3]
        retold[frame, :3] = turn @ other + rigid[:3, 3] - other
        retold[frame, 3:] = (
            np.arctan2(turn[2, 1], turn[2, 2]),
            -np.arcsin(turn[2, 0]),
            np.arctan2(turn[1, 0], turn[0, 0]),
        )
    assert motion_error_mm(motion_of(retold, other, reference), truth_of(drift)) < 1e-9


def passed(case: Case, truth: Any) -> dict[str, bool]:
    return {check.measure: check.passed for check in check_case(case, truth)}


@pytest.fixture
def right() -> tuple[Case, Any]:
    case = sample_case()
    assert case.motion is not None
    assert case.signals is not None
    frames = len(case.motion.parameters)
    parameters = np.asarray(case.motion.parameters) - np.asarray(case.motion.parameters)[100]
    series = np.zeros((frames, 426))
    series[case.signals.first_frame :] = case.signals.cleaned
    motion = replace(case.motion, parameters=frozen(parameters), centre_mm=frozen(CENTRE))
    signals = replace(case.signals, raw=frozen(1000.0 + np.asarray(case.signals.cleaned)))
    return replace(case, motion=motion, signals=signals), truth_of(parameters, series)


def test_that_a_right_case_passes(right: tuple[Case, Any]) -> None:
    assert all(passed(*right).values())


def test_that_each_planted_fault_fails_its_own_check(right: tuple[Case, Any]) -> None:
    case, truth = right
    assert case.signals is not None
    assert case.prediction is not None
    assert case.motion is not None
    shuffled = np.asarray(case.signals.cleaned)[:, ::-1]
    faults = {
        "RMS error, mm": replace(
            case, motion=replace(case.motion, parameters=np.asarray(case.motion.parameters) * 1.4)
        ),
        "correlation of framewise displacement": replace(
            case,
            motion=replace(
                case.motion,
                framewise_displacement_mm=np.asarray(case.motion.framewise_displacement_mm)[::-1],
            ),
        ),
        "median correlation with the truth": replace(
            case, signals=replace(case.signals, cleaned=shuffled)
        ),
        "the same before cleaning": replace(
            case, signals=replace(case.signals, raw=1000.0 + shuffled)
        ),
        "number with interval": replace(case, prediction=None),
        "explanations that converged": replace(case, attribution=None),
    }
    for measure, faulty in faults.items():
        assert not passed(faulty, truth)[measure], measure


def test_that_a_single_bit_is_found() -> None:
    case = sample_case()
    assert case.connectome is not None
    matrix = np.array(case.connectome.matrix)
    matrix[3, 5] = np.nextafter(matrix[3, 5], 1.0)
    (same,) = check_repeat(case, case)
    (other,) = check_repeat(case, replace(case, connectome=replace(case.connectome, matrix=matrix)))
    assert (same.value, same.passed, other.value, other.passed) == (0.0, True, 1.0, False)


def test_that_not_a_number_never_passes_and_the_table_says_so() -> None:
    check = Check("Motion", "x", float("nan"), 1.0, at_least=True)
    assert not check.passed
    assert "FAIL" in table_text((check,))
