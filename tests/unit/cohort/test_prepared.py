"""Prepared participants: read back, refused when twice, split without overlap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cohort.features import FeatureExtractor, cached_series_features, mean_correlation_of
from app.cohort.prepared import read_folder, read_prepared, split_people
from app.cohort.pretraining import initialise
from app.core.errors import StorageError
from app.core.progress import Progress
from app.models.brainlm import BrainLM
from tests.unit.cohort.test_pretraining import CONFIG


def _write(path: Path, number: int, *, label: int = 1, scan: str = "") -> None:
    rng = np.random.default_rng(number)
    np.savez(
        path,
        cleaned=rng.standard_normal((45, 20)).astype(np.float32),
        good_frames=np.ones(45, bool),
        matrix=np.full((20, 20), number / 10, np.float32),
        label=label,
        traits=np.array([1.0, 2.0, 9.0, 9.0]),
        age_years=40.0 + number,
        sex="F",
        baseline_pain=5.0,
        site="site-1",
        mean_fd_mm=0.1,
        verdict="pass",
        scan_sha256=scan or f"{number:064d}",
    )


def test_that_a_participant_is_read_back(tmp_path):
    _write(tmp_path / "cohort-1_sub-0003.npz", 3)
    person = read_prepared(tmp_path / "cohort-1_sub-0003.npz")
    assert person.identifier == "cohort-1_sub-0003"
    assert person.responder
    assert person.oracle == 3.0
    np.testing.assert_allclose(person.covariates(), [43.0, 1.0, 0.1, 5.0])
    assert not person.cleaned.flags.writeable


def test_that_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"nonsense")
    with pytest.raises(StorageError, match="not a prepared"):
        read_prepared(tmp_path / "a.npz")
    _write(tmp_path / "b.npz", 1, label=-1)
    with pytest.raises(StorageError, match="no label"):
        read_prepared(tmp_path / "b.npz")
    with pytest.raises(StorageError) as caught:
        read_folder(tmp_path / "empty")
    assert caught.value.code == "cohort.empty"


def test_that_the_same_scan_under_two_names_is_refused(tmp_path):
    _write(tmp_path / "a.npz", 1, scan="f" * 64)
    _write(tmp_path / "b.npz", 2, scan="f" * 64)
    with pytest.raises(StorageError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "cohort.duplicate"


def test_that_the_split_is_by_person_and_disjoint(tmp_path):
    for number in range(7):
        _write(tmp_path / f"p{number}.npz", number)
    people = read_folder(tmp_path)
    training, held_out = split_people(people[::-1], 4)
    assert [p.identifier for p in training] == ["p0", "p1", "p2", "p3"]
    assert not {p.identifier for p in training} & {p.identifier for p in held_out}
    with pytest.raises(StorageError):
        split_people([*people, replace(people[0], scan_sha256="x")], 4)


def test_that_the_mean_matrix_skips_missing_parcels(tmp_path):
    for number in (1, 3):
        _write(tmp_path / f"p{number}.npz", number)
    people = read_folder(tmp_path)
    matrix = np.array(people[0].connectivity)
    matrix[4] = matrix[:, 4] = np.nan
    mean = mean_correlation_of([replace(people[0], connectivity=matrix), people[1]])
    assert mean[4, 2] == pytest.approx(0.3)
    assert mean[1, 2] == pytest.approx(0.2)


def test_that_cached_features_never_survive_a_change(tmp_path):
    for number in range(2):
        _write(tmp_path / f"p{number}.npz", number)
    people = read_folder(tmp_path)
    encoder = BrainLM(CONFIG)
    initialise(encoder, 1)
    extractor = FeatureExtractor(
        encoder.eval().requires_grad_(False),
        np.random.default_rng(0).uniform(-50, 50, (20, 3)),
        np.arange(20) % 3,
        3,
        np.arange(80),
        0.7,
    )
    cache = tmp_path / "cache"
    first = cached_series_features(extractor, people, cache, Progress())
    assert first.shape == (2, 24)
    again = cached_series_features(extractor, people, cache, Progress())
    np.testing.assert_array_equal(first, again)
    assert len(list(cache.glob("*.npy"))) == 2
    louder = replace(extractor, series_scale_percent=0.5)
    assert not np.allclose(cached_series_features(louder, people, cache, Progress()), first)
    shuffled = replace(extractor, token_order=np.arange(80)[::-1].copy())
    assert not np.allclose(cached_series_features(shuffled, people, cache, Progress()), first)
    assert len(list(cache.glob("*.npy"))) == 6
