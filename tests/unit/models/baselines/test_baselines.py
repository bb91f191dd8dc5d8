"""What holds for every rival, by parametrisation over `BASELINES`."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from app.cohort.metrics import auroc
from app.core.errors import CancelledError, ModelError
from app.core.progress import Progress
from app.models.baselines import BASELINES, load_rival
from app.models.baselines.encoder_logistic import EncoderLogistic
from app.models.baselines.rival import Rival
from app.models.baselines.training_loop import Training
from app.models.interface import DifferentiableResponse, ResponseModel
from tests.unit.models.baselines.planted import (
    IDS,
    PARCELS,
    SpreadEncoder,
    baseline,
    cohort,
    make,
)

TRAINING = tuple(range(40))
HELD_OUT = tuple(range(40, 80))
WITH_GRADIENTS = [one.id for one in BASELINES if one.inputs in ("connectivity", "series")]


@lru_cache(maxsize=1)
def everyone():
    return cohort(80, 0)


@lru_cache(maxsize=len(IDS))
def fitted(name: str) -> Rival:
    """Fitted once; no test changes it."""
    return everyone().rows(list(TRAINING)).fit(make(name))


def loaded(name: str, path: Path) -> Rival:
    fitted(name).save(path)
    found = load_rival(path)
    return found.attach(SpreadEncoder()) if isinstance(found, EncoderLogistic) else found


@pytest.mark.parametrize("name", IDS)
def test_that_it_is_a_response_model_and_says_whether_it_has_gradients(name):
    model = fitted(name)
    assert isinstance(model, ResponseModel)
    assert isinstance(model, DifferentiableResponse) == (name in WITH_GRADIENTS)
    entry = baseline(name)
    assert entry.label
    assert entry.description.endswith(".")
    assert model.told["people"] == 40


def test_that_every_rival_has_an_id_and_a_label_of_its_own():
    assert len({one.id for one in BASELINES}) == len({one.label for one in BASELINES}) == 21


@pytest.mark.parametrize("name", [name for name in IDS if name != "majority"])
def test_that_a_planted_difference_is_learned(name):
    held_out = everyone().rows(list(HELD_OUT))
    assert auroc(held_out.asked(fitted(name)), held_out.labels) > 0.8


@pytest.mark.parametrize("name", IDS)
def test_that_permuted_labels_teach_nothing(name):
    rng = np.random.default_rng(5)
    short = Training(epochs=2, folds=2, learning_rate=3e-3)
    people = everyone().rows(list(TRAINING))
    model = replace(people, labels=rng.permutation(people.labels)).fit(make(name, training=short))
    # Nobody's outcome goes with anything here, so only chance separates the classes.
    others = cohort(150, 9, planted=False, missing=False)
    assert abs(auroc(others.asked(model), others.labels) - 0.5) < 0.15


@pytest.mark.parametrize("name", IDS)
def test_that_held_out_people_change_no_fitted_number_and_bits_repeat(name, tmp_path):
    whole = everyone()
    altered = replace(
        whole,
        series=[one if i < 40 else 3.0 * one[::-1] for i, one in enumerate(whole.series)],
        connectivity=np.concatenate([whole.connectivity[:40], 0.5 * whole.connectivity[40:]]),
        covariates=np.concatenate([whole.covariates[:40], 9.0 + whole.covariates[40:]]),
        labels=np.concatenate([whole.labels[:40], ~whole.labels[40:]]),
    )
    again = altered.rows(list(TRAINING)).fit(make(name))
    again.save(tmp_path / "again")
    fitted(name).save(tmp_path / "first")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


@pytest.mark.parametrize("name", IDS)
def test_that_an_answer_depends_on_nobody_else_and_survives_storage(name, tmp_path):
    people = everyone()
    together = people.asked(fitted(name))
    assert np.isfinite(together).all()
    some = [1, 2, 60, 3]
    stored = loaded(name, tmp_path / "rival.safetensors")
    np.testing.assert_array_equal(people.rows(some).asked(stored), together[some])
    assert stored.told == fitted(name).told
    assert [path.name for path in tmp_path.iterdir()] == ["rival.safetensors"]


@pytest.mark.parametrize("name", WITH_GRADIENTS)
@pytest.mark.parametrize("person", [0, 1])  # the second lacks parcel 5
def test_that_gradients_are_those_of_finite_differences(name, person):
    model, people = fitted(name), everyone()
    assert isinstance(model, DifferentiableResponse)
    series = torch.from_numpy(people.series[person].copy()).requires_grad_(True)
    matrix = torch.from_numpy(people.connectivity[person].copy()).requires_grad_(True)
    answer = model.log_odds_of(series, matrix)
    assert answer.shape == ()
    tolerance = 1e-9 if "network" not in model.kind else 1e-4
    expected = people.rows([person]).asked(model)[0]
    assert float(answer.detach()) == pytest.approx(expected, abs=tolerance)
    found = torch.autograd.grad(answer, (series, matrix), allow_unused=True)
    used, place = (series, 0) if baseline(name).inputs == "series" else (matrix, 1)
    gradient = found[place]
    assert gradient is not None
    assert found[1 - place] is None
    assert torch.isfinite(gradient).all()
    generator = torch.Generator().manual_seed(4)
    for _ in range(3):
        way = torch.randn(used.shape, generator=generator, dtype=torch.float64)
        if place == 1:
            way = (way + way.T) * (1 - torch.eye(PARCELS, dtype=torch.float64))
        ends = []
        for sign in (1, -1):
            both = [series.detach(), matrix.detach()]
            both[place] = both[place] + sign * 1e-6 * way
            ends.append(float(model.log_odds_of(*both)))
        slope = float((gradient * way).sum())
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=2e-4, abs=1e-6)


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["majority", "age", "pearson-ridge", "series-recurrent"])
def test_that_one_class_only_is_refused_in_one_sentence(name):
    people = everyone().rows(list(TRAINING))
    with pytest.raises(ModelError, match="All 40 people are responders; a model needs both"):
        replace(people, labels=np.ones(40, bool)).fit(make(name))


def test_that_too_few_of_a_class_are_refused():
    people = everyone().rows([*np.flatnonzero(everyone().labels)[:9], 1, 2])
    labels = np.arange(11) < 9
    with pytest.raises(ModelError, match="9 responders and 2 non-responders are too few"):
        replace(people, labels=labels).fit(make("age"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, series=p.series[:-1]), "39 series, 40 matrices"),
        (lambda p: replace(p, series=[one[:, :5] for one in p.series]), r"instead of \(frame, 8\)"),
        (lambda p: replace(p, connectivity=p.connectivity[:, :5]), "instead of"),
        (lambda p: replace(p, connectivity=300.0 * p.connectivity), "no correlations"),
        (lambda p: replace(p, connectivity=np.tril(p.connectivity)), "not symmetric"),
        (lambda p: replace(p, covariates=p.covariates[:, 0]), "one row a person"),
        (lambda p: replace(p, covariates=p.covariates + np.inf), "infinite"),
        (lambda p: replace(p, labels=p.labels[:7]), "labels for 40 people"),
        (lambda p: replace(p, labels=p.labels.astype(float)), "true or false"),
    ],
)
def test_that_people_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ModelError, match=message) as caught:
        change(everyone().rows(list(TRAINING))).fit(make("pearson-logistic"))
    assert caught.value.hint


@pytest.mark.parametrize("name", IDS)
def test_that_an_unfitted_model_does_not_answer(name, tmp_path):
    with pytest.raises(ModelError, match="not fitted"):
        everyone().asked(make(name))
    with pytest.raises(ModelError, match="not fitted"):
        make(name).save(tmp_path / "x")


@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_that_another_number_of_parcels_is_refused(name):
    people = everyone().rows([5, 6])
    fewer = replace(
        people,
        series=[one[:, :7] for one in people.series],
        connectivity=people.connectivity[:, :7, :7],
    )
    with pytest.raises(ModelError, match="7 parcels; the model was fitted on 8"):
        fewer.asked(fitted(name))


@pytest.mark.parametrize(
    "name", ["pearson-svm", "tangent-ridge", "brainnetcnn", "encoder-logistic"]
)
def test_that_a_cancel_ends_a_fit(name):
    people = everyone().rows(list(TRAINING))
    with pytest.raises(CancelledError):
        make(name).fit(
            people.series,
            people.connectivity,
            people.covariates,
            people.labels,
            progress=Progress(cancelled=lambda: True),
        )
