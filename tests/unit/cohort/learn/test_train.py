"""Train, write, load, ask: a bundle of a labelled cohort does what its evaluation said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app.cohort.calibration import calibrated, fit_temperature
from app.cohort.learn.bundle_card import pooled_sites, site_groups
from app.cohort.learn.conformal import coverage_interval, threshold_of
from app.cohort.learn.contender import Inputs
from app.cohort.learn.contenders import Workshop
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.heads import heads_of
from app.cohort.learn.judge import judged
from app.cohort.learn.people_folds import person_draws, person_folds
from app.cohort.learn.train import refuse_bundle, train_bundle
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.results import CleanSignals, Connectome
from app.models.archive import import_bundle, pack_folder
from app.models.baselines.training_loop import Training
from app.models.bundle import load_bundle
from app.models.card import Calibration
from app.models.conformal_set import conformal_set
from app.models.installed import CARD_FILE, STATISTICS_FILE, WEIGHTS_FILE
from app.models.strict_loading import read_tensors
from tests.unit.cohort.learn.small import PARCELS, labelled, make_cohort, small_plan

ATLAS = SimpleNamespace(
    name="HCPEx",
    sha256="a" * 64,
    parcel_names=tuple(f"p{i}" for i in range(PARCELS)),
    template="MNI152NLin2009cAsym",
    networks=("A", "A", "B", "B", "B", "C", "A", "C", "C", "B", "A", "C"),
)


def made(place, headline, outcome=None, **protocol):
    own_scale = {"outcome": outcome, "responder": {"secondary": []}} if outcome else {}
    plan = small_plan(
        **own_scale,
        models={"headline": headline, "rivals": ["covariates", "age"]},
        protocol={"repeats": 1, "permutations": 0, "refits": 30, "learning_curve": False,
                  "leave_one_site_out": False, **protocol},
    )  # fmt: skip
    cohort = labelled(place, make_cohort(place, 50, seed=3), plan)
    training = Training(epochs=2, patience=2, folds=2)
    workshop = Workshop(cohort.covariate_names, 2.0, training=training, minimum_frames=30)
    contenders = [workshop.contender(name) for name in plan.models.names]
    evaluation = judged(evaluate(cohort, contenders, place / "result"), contenders)
    done = train_bundle(evaluation, contenders[0], workshop, ATLAS, place / "models", "mine")
    return evaluation, contenders[0], done, workshop


def test_that_a_bundle_learns_no_pain_on_a_scale_of_its_own(tmp_path):
    outcome = {"scale": "VAS 0-20", "highest": 20.0}
    evaluation, _, done, _ = made(tmp_path, "linear", outcome=outcome)
    assert evaluation.cohort.own_pain_scale
    assert "baseline_pain" in evaluation.cohort.covariate_names  # judged, for the gate
    bundle = load_bundle(done.folder)
    assert tuple(bundle.card.covariates) == ("age_years", "sex_female", "mean_fd_mm")
    tensors = read_tensors(done.folder / STATISTICS_FILE)
    assert tensors["covariates.mean"].shape == (3,)
    assert any("outcome's own scale" in one for one in bundle.card.summary.limits)


@pytest.fixture(scope="module", params=["tangent", "connectome-predictive"])
def trained(request, tmp_path_factory):
    return made(tmp_path_factory.mktemp("train"), request.param)


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    return made(tmp_path_factory.mktemp("train"), "linear")


def ask(bundle, person):
    """The bundle's answer for one person of the cohort."""
    scan = person.scan
    signals = CleanSignals(
        atlas="HCPEx", template="T", parcel_names=ATLAS.parcel_names, networks=ATLAS.networks,
        hemispheres=("L",) * PARCELS, centroids_mm=np.zeros((PARCELS, 3)), raw=scan.cleaned,
        cleaned=scan.cleaned, good_frames=scan.good_frames, coverage=np.ones(PARCELS),
        repetition_time_s=2.0, first_frame=0, preset="simple-highpass",
        residual_degrees_of_freedom=50.0, confounds={},
    )  # fmt: skip
    names = bundle.card.covariates
    assert names == ("age_years", "sex_female", "mean_fd_mm", "baseline_pain")
    return bundle.scan_model().answer(
        signals, Connectome("pearson", scan.connectivity, 60), person.covariates(), 1, Progress()
    )


def test_that_a_bundle_answers_as_the_model_it_was_made_from(trained):
    evaluation, contender, done, _ = trained
    bundle, cohort = load_bundle(done.folder), evaluation.cohort
    inputs = Inputs.of(cohort)
    model = contender.fresh().fit(
        inputs.people.series, inputs.people.connectivity, inputs.people.covariates, cohort.labels,
        seed=7,
    )  # fmt: skip
    for row in (0, 7):
        found = ask(bundle, cohort.people[row])
        one = inputs.people.rows(np.array([row]))
        expected = model.predict_log_odds(one.series, one.connectivity, one.covariates)[0]
        assert found.log_odds == pytest.approx(expected, abs=1e-6)
        stated = bundle.card.fields.calibration
        probability = calibrated(Calibration(stated.slope, stated.intercept), np.array([expected]))
        assert found.probability == pytest.approx(float(probability[0]), abs=1e-6)
        assert found.interval[0] <= found.probability <= found.interval[1]


def test_that_a_packed_bundle_installs_and_is_the_same(trained, tmp_path, monkeypatch):
    _, _, done, _ = trained
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    packed = pack_folder(done.folder, "mine", tmp_path / "mine.nrmodel", Progress())
    assert import_bundle(packed) == "mine"
    installed = load_bundle("mine")
    for name in (WEIGHTS_FILE, STATISTICS_FILE, CARD_FILE):
        assert (installed.folder / name).read_bytes() == (done.folder / name).read_bytes()


def test_that_the_card_carries_plan_and_figures(trained):
    evaluation, _, done, _ = trained
    card = load_bundle(done.folder).card.fields
    plan = evaluation.cohort.plan
    assert card.treatment == plan.treatment
    assert card.estimand == plan.estimand
    assert card.responder.text == "VAS fall >= 30 % at week 4"
    assert card.responder.threshold == 30.0
    assert card.versions["plan_sha256"] == plan.sha256
    headline = evaluation.figures["models"][evaluation.headline.id]
    assert card.metrics[card.protocol.headline]["auroc"] == headline["auroc"]
    gain = evaluation.figures["gain_over_covariates"]["auroc_interval"]
    assert list(card.gain_interval) == pytest.approx(gain)
    assert done.shows_numbers == (gain[0] > 0)
    assert card.training.held_out_count == len(evaluation.cohort)
    change = card.metrics["continuous_outcome"]
    assert change["role"] == "primary"
    assert change["outcome"].startswith("improvement, points (VAS 0-10), adjusted")
    explained = evaluation.figures["continuous"]["models"][evaluation.headline.id]["r_squared"]
    assert change["r_squared"] == pytest.approx(explained)
    assert 0.0 <= card.novelty.held_out_share_beyond_limit <= 0.2


def test_that_the_files_hold_nobody(trained):
    """No array of a bundle has one row a person, and no name of one is in its card."""
    evaluation, _, done, _ = trained
    count = len(evaluation.cohort)
    for name in (WEIGHTS_FILE, STATISTICS_FILE):
        for key, value in read_tensors(done.folder / name).items():
            assert count not in value.shape, key
    text = (done.folder / "card.toml").read_text()
    assert "sub-0" not in text


def test_that_refits_scatter_around_the_delivered_head(linear):
    _, _, done, _ = linear
    sizes = load_bundle(done.folder).card.fields.sizes
    tensors = read_tensors(done.folder / STATISTICS_FILE)
    assert tensors["refits.weights"].shape == (30, sizes["refit_features"])
    own = read_tensors(done.folder / WEIGHTS_FILE)["linear.weights"].numpy()
    refits = tensors["refits.weights"].double().numpy()
    cosine = refits @ own / np.linalg.norm(refits, axis=1) / np.linalg.norm(own)
    assert cosine.mean() > 0.6
    assert cosine.max() < 1.0
    assert (tensors["refits.calibration"][:, 0] >= 0).all()


def test_that_a_temperature_of_the_plan_travels_in_the_bundle(tmp_path):
    evaluation, _, done, _ = made(tmp_path, "linear", calibration="temperature")
    card = load_bundle(done.folder).card.fields
    assert card.calibration.method.startswith("temperature scaling")
    scores, labels = evaluation.headline.scores.log_odds, evaluation.cohort.labels
    expected = fit_temperature(scores.ravel(), np.tile(labels, len(scores)))
    assert card.calibration.slope == pytest.approx(expected.slope)
    rate = labels.mean()
    assert card.calibration.intercept == pytest.approx(np.log(rate / (1 - rate)))
    # of the evaluation, fold by fold, and of each refit, its own people's
    fold = evaluation.splits.folds[0]
    assert evaluation.headline.calibrations[0] == fit_temperature(
        evaluation.headline.inner[0], labels[fold.training]
    )
    refits = read_tensors(done.folder / STATISTICS_FILE)["refits.calibration"].numpy()
    draws = person_draws(evaluation.cohort.identifiers, labels, len(refits), 7, 5)
    rates = np.array([labels[drawn].mean() for drawn in draws])
    np.testing.assert_allclose(refits[:, 1], np.log(rates / (1 - rates)))


def test_that_predictive_networks_have_rows_of_their_own_too(trained):
    """A row reproduces the head: the delivered people, drawn once each, give the delivered row."""
    evaluation, contender, done, _ = trained
    if contender.id != "connectome-predictive":
        return
    inputs = Inputs.of(evaluation.cohort)
    model = contender.fresh().fit(
        inputs.people.series, inputs.people.connectivity, inputs.people.covariates, inputs.labels,
        seed=7,
    )  # fmt: skip
    heads = heads_of(model, inputs.people, inputs.labels, evaluation.cohort.identifiers, Progress())
    weights, bias = heads.fit(np.arange(len(inputs.labels)), 0)
    expected = model.predict_log_odds(
        inputs.people.series, inputs.people.connectivity, inputs.people.covariates
    )
    np.testing.assert_allclose(heads.rows @ weights + bias, expected, atol=1e-9)
    assert load_bundle(done.folder).card.fields.sizes["refits"] == 30


def test_that_small_networks_are_stored_whole_each_with_its_calibration(tmp_path):
    evaluation, _, done, _ = made(tmp_path, "series-convolutional", refits=4)
    bundle, tensors = load_bundle(done.folder), read_tensors(done.folder / STATISTICS_FILE)
    assert bundle.card.fields.uncertainty.log_odds_sd is None
    assert "4 models refitted" in bundle.summary.interval_method
    assert "each person once" in bundle.summary.interval_method
    values = tensors["refits.values"].numpy()
    assert values.shape == (4, bundle.card.fields.sizes["refit_values"])
    assert len(np.unique(values[:, -1])) == 4
    calibration = tensors["refits.calibration"].numpy()
    assert calibration.shape == (4, 2)
    person, model = evaluation.cohort.people[2], bundle.scan_model().model
    found = ask(bundle, person)
    scan = person.scan
    each = [
        float(model.with_trained_values(row).predict_log_odds(
            [scan.cleaned], scan.connectivity[None], person.covariates()[None])[0])
        for row in values
    ]  # fmt: skip
    shares = 1 / (1 + np.exp(-(np.array(each) * calibration[:, 0] + calibration[:, 1])))
    low, high = np.percentile(shares, [2.5, 97.5])
    assert found.interval[0] == pytest.approx(min(low, found.probability), abs=1e-6)
    assert found.interval[1] == pytest.approx(max(high, found.probability), abs=1e-6)


def test_that_the_card_holds_coarse_conformal_values_and_says_what_they_allow(trained):
    evaluation, _, done, _ = trained
    bundle, labels = load_bundle(done.folder), evaluation.cohort.labels
    stated = bundle.card.fields.conformal
    probability = evaluation.headline.scores.probability.mean(axis=0)
    exact = threshold_of(probability[labels], 0.9), threshold_of(1 - probability[~labels], 0.9)
    assert 0 <= exact[0] - stated.responder_from < 0.01
    assert 0 <= stated.non_responder_to - (1 - exact[1]) < 0.01
    assert stated.calibration_responders == labels.sum()
    smaller = min(labels.sum(), (~labels).sum())
    assert list(stated.coverage_range) == coverage_interval(int(smaller), 0.9)
    found = conformal_set(stated, 0.99)
    assert found.responder and not found.non_responder
    assert bundle.card.fields.seeds["refits"] == 7


def test_that_a_bundle_that_does_not_load_is_not_left_behind(linear, tmp_path, monkeypatch):
    evaluation, contender, _, workshop = linear

    def broken(*_):
        raise ModelError("It does not load.", "No.", code="model.test")

    monkeypatch.setattr("app.cohort.learn.train.load_bundle", broken)
    with pytest.raises(ModelError, match="does not load"):
        train_bundle(evaluation, contender, workshop, ATLAS, tmp_path / "models", "mine")
    assert not list((tmp_path / "models").iterdir())


def test_that_what_cannot_be_a_bundle_is_refused(linear, tmp_path):
    evaluation, contender, _, workshop = linear
    with pytest.raises(ModelError, match="rival without a brain"):
        train_bundle(
            evaluation, workshop.contender("covariates"), workshop, ATLAS, tmp_path, "mine"
        )
    with pytest.raises(ModelError, match=r"must be 1 to 64"):
        train_bundle(evaluation, contender, workshop, ATLAS, tmp_path, "../mine")
    cohort = evaluation.cohort
    plan = small_plan(recipe={"harmonise": "combat"})
    with pytest.raises(ModelError, match="needs refits"):
        refuse_bundle(small_plan(protocol={"refits": 0}), "linear", "mine")
    harmonised = replace(cohort, locked=replace(cohort.locked, plan=plan))
    with pytest.raises(ModelError, match="harmonised features"):
        train_bundle(
            replace(evaluation, cohort=harmonised), contender, workshop, ATLAS, tmp_path, "mine"
        )


def test_that_small_sites_are_pooled_until_nobody_can_be_traced():
    assert pooled_sites(["a"] * 12 + ["b"] * 11) == {"a": 12, "b": 11}
    assert pooled_sites(["a"] * 12 + ["b"] * 6 + ["c"] * 5) == {"a": 12, "pooled sites": 11}
    found = pooled_sites(["a"] * 12 + ["b"] * 20 + ["c"] * 3)
    assert found == {"a and pooled sites": 15, "b": 20}
    assert site_groups(["a", "c"] * 12 + ["b"] * 20)[:2] == ["a", "c"]
    groups = site_groups(["a"] * 12 + ["b"] * 20 + ["c"] * 3)
    assert set(groups) == {"a and pooled sites", "b"}
    assert groups[0] == groups[-1] == "a and pooled sites"


def test_that_resampled_people_keep_their_rows_and_folds():
    people = [f"p{i // 2}" for i in range(60)]
    labels = np.repeat(np.arange(30) % 2 == 0, 2)
    draws = person_draws(people, labels, 5, 1, 6)
    for drawn in draws:
        counts = np.bincount(drawn, minlength=60)
        np.testing.assert_array_equal(counts[::2], counts[1::2])
    for one, same in zip(person_draws(people, labels, 3, 1, 6), draws, strict=False):
        np.testing.assert_array_equal(one, same)  # however many follow
    fold = person_folds(people, labels, 1, 5)
    np.testing.assert_array_equal(fold[::2], fold[1::2])
