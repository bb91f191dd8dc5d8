"""The loop: nothing of a test fold reaches training, folds are kept, models share the splits."""

from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest

from app.cohort.calibration import calibrated, fit_platt
from app.cohort.learn.contender import AnyModel, Inputs
from app.cohort.learn.contenders import Workshop
from app.cohort.learn.evaluate import answer_of, evaluate, fold_seed
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.splits import splits_of
from app.core.errors import AppError, CancelledError, StorageError
from app.core.progress import Progress
from app.models.baselines.training_loop import Training
from app.models.covariates import NAMES
from tests.unit.cohort.learn.encoders import FMM_TC_TRAINING, tiny_place
from tests.unit.cohort.learn.small import labelled, make_cohort, small_plan

FAST = ("linear", "tangent", "pearson-ridge", "covariates", "frozen-cls")
EVERY = (*FAST, "majority", "connectome-predictive", "brainnetcnn", "series-convolutional",
         "fmm-tc")  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    place = tmp_path_factory.mktemp("cohort")
    plan = small_plan(protocol={"outer_folds": 3, "inner_folds": 3, "repeats": 2})
    return labelled(place, make_cohort(place, 48, seed=2), plan)


@pytest.fixture(scope="module")
def workshop():
    return Workshop(
        NAMES,
        2.0,
        tiny_place(),
        training=Training(epochs=1, patience=1, folds=2),
        fmm_tc_training=FMM_TC_TRAINING,
        minimum_frames=20,
    )


def test_that_the_fast_way_answers_as_the_rival_itself(cohort, workshop):
    inputs, fold = Inputs.of(cohort), splits_of(cohort).folds[0]
    people = inputs.people
    for name in FAST:
        contender = workshop.contender(name)
        seed = fold_seed(7, fold)
        found = contender.answer(inputs, fold, seed, Progress())
        inside, outside = people.rows(fold.training), people.rows(fold.test)
        model = contender.fresh().fit(
            inside.series, inside.connectivity, inside.covariates, cohort.labels[fold.training],
            seed=seed,
        )  # fmt: skip
        expected = model.predict_log_odds(outside.series, outside.connectivity, outside.covariates)
        np.testing.assert_allclose(found.test, expected, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("name", EVERY)
def test_that_test_people_change_nothing_in_training(cohort, workshop, name):
    """Answers of inner folds are made by everything that is fitted; they stay to the bit."""
    inputs, fold = Inputs.of(cohort), splits_of(cohort).folds[1]
    contender = workshop.contender(name)
    before = contender.answer(inputs, fold, 5, Progress())
    rng = np.random.default_rng(0)
    people = inputs.people
    series, matrices = list(people.series), people.connectivity.copy()
    covariates = people.covariates.copy()
    for row in fold.test:
        series[row] = 40.0 * rng.standard_normal(series[row].shape)
        matrices[row] = np.corrcoef(series[row].T) - np.eye(series[row].shape[1])
        covariates[row] = rng.uniform(20, 90, covariates.shape[1])
    labels = inputs.labels.copy()
    labels[fold.test] = ~labels[fold.test]
    changed = replace(people, series=tuple(series), connectivity=matrices, covariates=covariates)
    improvement = inputs.improvement.copy()
    improvement[fold.test] += 100.0
    after = contender.answer(
        replace(inputs, people=changed, labels=labels, improvement=improvement), fold, 5, Progress()
    )
    np.testing.assert_array_equal(before.inner, after.inner)
    assert before.told == after.told
    same = replace(inputs, labels=labels, improvement=improvement)
    asked = contender.answer(same, fold, 5, Progress())
    np.testing.assert_array_equal(before.test, asked.test)
    if before.continuous is not None:
        np.testing.assert_array_equal(before.continuous.predicted, asked.continuous.predicted)


def test_that_an_evaluation_is_calibrated_by_inner_folds_alone(cohort, workshop, tmp_path):
    found = evaluate(cohort, [workshop.contender("linear")], tmp_path)
    scores = found.headline.scores
    assert np.isfinite(scores.log_odds).all()
    for number, fold in enumerate(found.splits):
        calibration = fit_platt(found.headline.inner[number], cohort.labels[fold.training])
        np.testing.assert_array_equal(
            scores.probability[fold.repeat, fold.test],
            calibrated(calibration, scores.log_odds[fold.repeat, fold.test]),
        )
    with np.load(tmp_path / "private" / "out_of_fold.npz") as kept:
        np.testing.assert_array_equal(kept["log_odds.pearson-logistic"], scores.log_odds)
    assert (tmp_path / "private").stat().st_mode & 0o077 == 0
    # the planted connection is found, and the continuous outcome too
    labels = cohort.labels
    assert scores.log_odds[0][labels].mean() > scores.log_odds[0][~labels].mean()
    assert np.corrcoef(found.headline.predicted[0], found.headline.target[0])[0, 1] > 0.2


class Counting:
    """A contender that counts, and stops on request."""

    def __init__(self, contender, stop_after=10**9):
        self.contender, self.stop_after, self.count = contender, stop_after, 0

    def __getattr__(self, name):
        return getattr(self.contender, name)

    def answer(self, *arguments):
        if self.count == self.stop_after:
            raise CancelledError("test")
        self.count += 1
        return self.contender.answer(*arguments)


def test_that_a_run_that_was_stopped_goes_on_where_it_was(cohort, workshop, tmp_path):
    whole = evaluate(cohort, [workshop.contender("linear")], tmp_path / "whole")
    first = Counting(workshop.contender("linear"), stop_after=4)
    with pytest.raises(CancelledError):
        evaluate(cohort, [first], tmp_path / "part")
    second = Counting(workshop.contender("linear"))
    found = evaluate(cohort, [second], tmp_path / "part")
    assert second.count == len(found.splits) + len(found.site_splits) - 4
    np.testing.assert_array_equal(found.headline.scores.log_odds, whole.headline.scores.log_odds)
    # a damaged fold is made again
    (kept, *_) = sorted((tmp_path / "part").rglob("r000-f00.npz"))
    kept.write_bytes(kept.read_bytes()[:100])
    third = Counting(workshop.contender("linear"))
    evaluate(cohort, [third], tmp_path / "part")
    assert third.count == 1


class CountedFits:
    """Wraps the model maker of a contender: counts fits, and stops on request."""

    def __init__(self, make, stop_after=10**9):
        self.make, self.stop_after, self.count = make, stop_after, 0

    def __call__(self):
        if self.count == self.stop_after:
            raise CancelledError("test")
        self.count += 1
        return self.make()


def test_that_a_fold_of_a_network_goes_on_with_the_fits_that_it_lacks(cohort, workshop, tmp_path):
    network = workshop.contender("series-recurrent")
    assert isinstance(network, AnyModel)
    inputs, splits, result = Inputs.of(cohort), splits_of(cohort), ResultFolder(tmp_path)
    fold = splits.folds[0]  # 3 inner fits and the outer one

    def asked(stop_after=10**9):
        fits = CountedFits(network.make, stop_after)
        counted = replace(network, make=fits)
        answer, fresh = answer_of(
            counted, inputs, splits, fold, result, ["key", splits.seed], Progress()
        )
        return answer, fresh, fits.count

    with pytest.raises(CancelledError):
        asked(stop_after=2)
    (folder,) = tmp_path.rglob("*.fits")
    assert folder.is_relative_to(result.private)
    assert sorted(one.name for one in folder.iterdir()) == ["inner-0.npz", "inner-1.npz"]
    damaged = folder / "inner-1.npz"
    damaged.write_bytes(damaged.read_bytes()[:50])
    answer, fresh, count = asked()
    assert (fresh, count) == (True, 3)  # of 4: one was there and whole
    assert not list(tmp_path.rglob("*.fits"))
    assert asked()[1:] == (False, 0)

    expected = network.answer(inputs, fold, fold_seed(splits.seed, fold), Progress())
    np.testing.assert_array_equal(answer.inner, expected.inner)
    np.testing.assert_array_equal(answer.test, expected.test)
    assert answer.told == expected.told


def test_that_a_full_disk_keeps_what_was_done(cohort, workshop, tmp_path, monkeypatch):
    import app.cohort.learn.result_folder as room

    real, written = np.savez, []

    def full(handle, **arrays):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "full")
        written.append(1)
        real(handle, **arrays)

    monkeypatch.setattr(room.np, "savez", full)
    with pytest.raises(StorageError, match="no space left"):
        evaluate(cohort, [workshop.contender("linear")], tmp_path)
    monkeypatch.undo()
    assert len(list(tmp_path.rglob("r*.npz"))) == 2
    assert not list(tmp_path.rglob("*.partial"))
    again = Counting(workshop.contender("linear"))
    found = evaluate(cohort, [again], tmp_path)
    assert again.count == len(found.splits) + len(found.site_splits) - 2


def test_that_a_rival_that_fails_is_a_deviation_and_a_headline_that_fails_is_not(
    cohort, workshop, tmp_path
):
    class Failing:
        def fit(self, *_, **__):
            raise AppError("It cannot be fitted.", "No.", code="model.test")

    failing = AnyModel("failing", "Failing", "none", Failing, ["failing"])
    found = evaluate(cohort, [workshop.contender("linear"), failing], tmp_path)
    assert list(found.models) == ["pearson-logistic"]
    assert [(one.what, one.planned, one.reason) for one in found.deviations] == [
        ("models", "failing", "It cannot be fitted.")
    ]
    with pytest.raises(AppError, match="cannot be fitted"):
        evaluate(cohort, [failing], tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("linera", "Did you mean linear"), ("volumes-logistic", "does not measure")],
)
def test_that_an_unknown_model_is_refused(workshop, name, words):
    with pytest.raises(AppError, match=words):
        workshop.contender(name)
    with pytest.raises(AppError, match="baseline_pain, which nobody"):
        Workshop(("age_years",), 2.0).contender("baseline-pain")
    with pytest.raises(AppError, match="needs an encoder"):
        Workshop(NAMES, 2.0).contender("fmm-tc")
