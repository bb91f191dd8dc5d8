"""Every sum of log-odds says what it is relative to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.core.explanation_wording import (
    ANSWER_BASELINE,
    convergence_text,
    health_rows,
    method_text,
    reference_words,
)
from app.core.reference_wording import SHARES_REFERENCE, map_reference_text, references_text
from app.core.results import Attribution, BranchAttribution


def branch(series: tuple[float, ...], pair: float) -> BranchAttribution:
    """Three parcels; the pair of the first two moved the log-odds by `pair`."""
    pairs = np.zeros((3, 3))
    pairs[0, 1] = pairs[1, 0] = pair
    total = sum(series) + pair
    return BranchAttribution(
        "m", np.array(series), np.zeros((3, 4)), pairs, 1.3e-05, total, 15, True
    )


def attribution(reference: str = "zero series and mean matrix; 4 people's series") -> Attribution:
    a, b = branch((-7.0, 0.5, -0.13), 0.18), branch((0.5, 0.25, 0.0), -0.5)
    return Attribution("t", a, b, 0.6, np.zeros(3, np.bool_), reference)


@pytest.mark.parametrize(
    ("overlay", "told"),
    [
        (
            "series",
            "(a) time series part: sum −6.63 log-odds relative to zero series and mean matrix.",
        ),
        ("connectivity", "(a) connectivity part: sum +0.18 log-odds relative to zero series and"),
        (
            "branches",
            "(a) each branch: sum −6.45 log-odds relative to zero series and mean matrix.",
        ),
        ("scan", "(b) whole scan: sum +0.25 log-odds relative to 4 people's series."),
        ("scan_series", "(b) time series part: sum +0.75 log-odds relative to 4 people's series."),
    ],
)
def test_that_a_map_tells_its_sum_and_its_own_reference(overlay: str, told: str) -> None:
    words = map_reference_text(attribution(), overlay)
    assert words.startswith(told)
    assert "card's bars are relative to the mean training participant" in words


@pytest.mark.parametrize(
    ("frames", "told"),
    [((1, 2), "−2.35 log-odds of these frames"), ((3, 9), "+0.22 log-odds of these frames")],
)
def test_that_the_sum_of_a_map_of_frames_is_theirs(frames: tuple[int, int], told: str) -> None:
    found = attribution()
    by_frame = np.zeros((3, 4))
    by_frame[0] = [-4.5, -2.5, 0.05, 0.0]
    by_frame[2] = [0.0, 0.1, 0.0, 0.22]
    found = replace(found, branches=replace(found.branches, per_parcel_frame=by_frame))
    words = map_reference_text(found, "series", frames=frames)
    assert words.startswith(
        f"(a) time series part: sum {told} (sum −6.63 log-odds of all) relative to zero series"
    )
    assert "of these frames" not in map_reference_text(found, "connectivity", frames=frames)


@pytest.mark.parametrize("overlay", ["seed", "none"])
def test_that_what_is_no_attribution_has_no_reference(overlay: str) -> None:
    assert map_reference_text(attribution(), overlay) == ""


def test_that_another_baseline_is_named_for_b_alone() -> None:
    assert "relative to reference 2 of 4 alone." in map_reference_text(
        attribution(), "scan", "reference 2 of 4 alone"
    )
    assert "relative to zero series" in map_reference_text(
        attribution(), "series", "reference 2 of 4 alone"
    )


def test_that_one_reference_for_both_is_said_of_both() -> None:
    told = references_text(attribution("zero series, zero Gram matrix"))
    assert told.startswith(
        "(a) is relative to zero series, zero Gram matrix, (b) to zero series, zero Gram matrix."
    )


def test_that_pages_name_references_and_what_an_error_is_of() -> None:
    found = attribution()
    assert references_text(found) in method_text(found)
    assert dict(health_rows(found, None))["Reference"] == references_text(found)
    assert convergence_text(found.branches) == (
        "error 1.3e−05 in a sum of −6.45 log-odds; 15 nodes, converged"
    )
    assert "mean training participant" in SHARES_REFERENCE


def test_that_each_map_that_leaves_tells_its_own_reference_alone() -> None:
    found = attribution()
    assert reference_words(found, "", scan=False) == "zero series and mean matrix"
    assert reference_words(found, "", scan=True) == (f"4 people's series; {ANSWER_BASELINE}")
    assert reference_words(found, "reference 2 of 4 alone", scan=True) == (
        "4 people's series; reference 2 of 4 alone"
    )
