"""A short, repeatable share of the fuzzing, and every input that ever failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, mutated, seeds

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.parent.name in TARGETS)
COUNTS = {
    "nifti": 400,
    "nifti_gz": 250,
    "dicom": 120,
    "codec": 300,
    "confounds": 300,
    "series": 200,
}
CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 1 << 20), st.integers(0, 1 << 16)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("name", TARGETS)
def test_that_valid_inputs_are_accepted(tmp_path, name):
    """Refusing everything would be no way out (single slices make no volume)."""
    accepted = [TARGETS[name](content, tmp_path) for content in seeds(name)]
    assert any(accepted)


@pytest.mark.parametrize("name", TARGETS)
def test_that_edited_inputs_end_in_a_typed_error_or_in_what_they_say(tmp_path, name):
    """[N1-N9, D1-D6] Zero untyped exceptions, zero silently wrong geometry."""
    pool = seeds(name)

    @given(st.integers(0, len(pool) - 1), CHANGES)
    @settings(
        max_examples=COUNTS.get(name, 150),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def edited(which, changes):
        TARGETS[name](mutated(pool[which], changes), tmp_path)

    edited()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name[-8:]}")
def test_that_what_once_failed_still_holds(tmp_path, path):
    """Regression cases, found by tests/fuzz/run.py."""
    TARGETS[path.parent.name](path.read_bytes(), tmp_path)
