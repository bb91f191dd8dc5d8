"""Paths go, everything else stays."""

from __future__ import annotations

import dataclasses

import pytest

from app.core.results import Case
from app.reporting.privacy import REMOVED, reportable, scrubbed, without_paths
from tests.unit.reporting.small_case import withheld


@pytest.mark.parametrize(
    "path",
    [
        "/home/a/b.nii.gz",
        r"C:\Users\a b",
        "C:/Users/a",
        r"\\server\share\x",
        "~/scan",
        "file:///x/y",
        "/mnt/x-1/sub-01",
    ],
)
def test_that_paths_are_removed_from_a_sentence(path: str) -> None:
    text = without_paths(f"Read from {path} today, (see {path})")
    assert REMOVED in text
    assert "Users" not in text
    assert "home" not in text
    assert "sub-01" not in text


@pytest.mark.parametrize(
    "text",
    [
        "log-odds/scan",
        "pass / fail",
        "n/a",
        "1/2",
        "3.4 × 3.4 mm",
        "mm/s",
        "and/or",
        "≥ 0.9/0.8",
        "doi 10.1073/pnas.1",
        "https://fsl.fmrib.ox.ac.uk/fsl/fslwiki",
        "time 12:30/day",
    ],
)
def test_that_ordinary_slashes_stay(text: str) -> None:
    assert without_paths(text) == text


def test_that_scrubbing_goes_through_keys_and_lists() -> None:
    assert scrubbed({"/root/x": ["/a/b", 1, None]}) == {REMOVED: [REMOVED, 1, None]}


def test_that_a_withheld_case_loses_its_numbers_and_an_override_keeps_them(case: Case) -> None:
    bare = reportable(withheld(case))
    assert bare.prediction is not None
    assert bare.prediction.probability is None
    assert bare.prediction.contributions is None
    assert bare.prediction.conformal is None
    assert bare.attribution is None
    assert reportable(case) is case
    held = withheld(case)
    assert held.prediction is not None
    override = dataclasses.replace(
        held, prediction=dataclasses.replace(held.prediction, research_only=True)
    )
    assert reportable(override) is override
