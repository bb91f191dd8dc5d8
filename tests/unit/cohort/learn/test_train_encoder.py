"""Bundles of models with an encoder: named by hash, read again, novelty at the encoder's depth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.cohort.learn.contender import Inputs
from app.cohort.learn.contenders import EncoderPlace, Workshop
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.judge import judged
from app.cohort.learn.train import train_bundle
from app.core.errors import ModelError
from app.models.bundle import load_bundle
from app.models.encoders import agreed_contract, open_encoder
from app.models.strict_loading import read_tensors
from tests.unit.cohort.learn.encoders import FMM_TC_TRAINING, PLACES
from tests.unit.cohort.learn.small import labelled, make_cohort, small_plan
from tests.unit.cohort.learn.test_train import ATLAS, ask
from tests.unit.models.bundled import install_encoder

NETWORKS = np.array(["ABC".index(name) for name in ATLAS.networks])


@pytest.fixture(
    scope="module", params=["frozen-cls", "fmm-tc", "fmm-tc-connectivity", "fmm-tc-gated"]
)
def trained(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("encoder")
    patch = pytest.MonkeyPatch()
    patch.setenv("NEURORESPONDER_HOME", str(place / "home"))
    sha256 = install_encoder(place / "home")
    loaded = open_encoder("tiny-13m")
    contract = agreed_contract(loaded, normalisation="demean")
    plan = small_plan(
        models={"headline": request.param, "rivals": ["age"]},
        protocol={"repeats": 1, "outer_folds": 2, "inner_folds": 2, "permutations": 0, "refits": 3,
                  "learning_curve": False, "leave_one_site_out": False},
    )  # fmt: skip
    cohort = labelled(place, make_cohort(place, 40, seed=3), plan)
    encoder = EncoderPlace(loaded, contract, PLACES, NETWORKS)
    workshop = Workshop(
        cohort.covariate_names, 2.0, encoder, place / "cache", fmm_tc_training=FMM_TC_TRAINING
    )
    contenders = [workshop.contender(name) for name in plan.models.names]
    evaluation = judged(evaluate(cohort, contenders, place / "result"), contenders)
    done = train_bundle(evaluation, contenders[0], workshop, ATLAS, place / "models", "mine")
    yield evaluation, contenders[0], done, sha256, place
    patch.undo()


def test_that_a_bundle_names_its_encoder_and_answers_as_before(trained, monkeypatch):
    evaluation, contender, done, sha256, place = trained
    monkeypatch.setenv("NEURORESPONDER_HOME", str(place / "home"))
    bundle = load_bundle(done.folder)
    stated = bundle.card.fields.encoder
    assert (stated is None) == (contender.id == "fmm-tc-connectivity")
    if stated is not None:
        assert stated.sha256 == sha256
        assert stated.source == "installed"
        assert bundle.card.fields.sizes["novelty_encoded"] > 0
    person = evaluation.cohort.people[3]
    found = ask(bundle, person)
    inputs = Inputs.of(evaluation.cohort)
    seed = evaluation.cohort.plan.protocol.seed
    model = contender.fresh().fit(
        inputs.people.series, inputs.people.connectivity, inputs.people.covariates, inputs.labels,
        seed=seed,
    )  # fmt: skip
    one = inputs.people.rows(np.array([3]))
    expected = model.predict_log_odds(one.series, one.connectivity, one.covariates)[0]
    assert found.log_odds == pytest.approx(expected, abs=1e-5)
    assert found.interval[0] < found.probability < found.interval[1]
    if contender.id == "fmm-tc-gated":
        assert bundle.card.fields.uncertainty.log_odds_sd > 0
        assert bundle.card.fields.uncertainty.method.startswith(
            "approximate: 1.96 times the spread of "
        )
        assert any(
            "interval is approximate: one width for everybody" in one
            for one in bundle.card.fields.model.limitations
        )
    else:
        assert bundle.card.fields.uncertainty.log_odds_sd is None
        assert bundle.card.fields.sizes["refits"] == 3
        assert "3 refits only" in " ".join(bundle.card.fields.model.limitations)
        spans = {round(float(np.ptp(logit(ask(bundle, one).interval))), 4)
                 for one in evaluation.cohort.people[:4]}  # fmt: skip
        assert len(spans) == 4  # a person's own
    if contender.id == "fmm-tc-gated":
        return  # its gate is as wide as the encoder
    # nothing of the encoder's weights lies in the bundle
    for tensor in read_tensors(done.folder / "weights.safetensors").values():
        assert tensor.shape != torch.Size([16, 16])


def logit(shares):
    values = np.clip(np.array(shares), 1e-9, 1 - 1e-9)
    return np.log(values / (1 - values))


def test_that_an_interrupted_run_keeps_its_finished_refits(trained, monkeypatch, tmp_path):
    """Refits that are files are not computed again, and the bundle is the same to the bit."""
    evaluation, contender, done, _, place = trained
    monkeypatch.setenv("NEURORESPONDER_HOME", str(place / "home"))
    kept = sorted((place / "result" / "private" / "refits").rglob("*.npz"))
    if contender.id == "encoder-logistic":
        assert not kept  # seconds for all
        return
    assert len(kept) == 3
    stamps = [path.stat().st_mtime_ns for path in kept]
    kept[1].unlink()  # killed while it was made
    workshop = Workshop(
        evaluation.cohort.covariate_names, 2.0,
        EncoderPlace(open_encoder("tiny-13m"),
                     agreed_contract(open_encoder("tiny-13m"), normalisation="demean"),
                     PLACES, NETWORKS),
        place / "cache", fmm_tc_training=FMM_TC_TRAINING,
    )  # fmt: skip
    again = train_bundle(evaluation, contender, workshop, ATLAS, tmp_path, "mine")
    now = [path.stat().st_mtime_ns for path in kept]
    assert [a == b for a, b in zip(now, stamps, strict=True)] == [True, False, True]
    for name in ("weights.safetensors", "statistics.safetensors", "card.toml"):
        assert (again.folder / name).read_bytes() == (done.folder / name).read_bytes()


def test_that_without_the_encoder_the_bundle_says_what_to_install(trained, tmp_path, monkeypatch):
    _, contender, done, _, _ = trained
    if contender.id == "fmm-tc-connectivity":
        assert load_bundle(done.folder).card.fields.encoder is None
        return
    import shutil

    shutil.copytree(done.folder, tmp_path / "mine")
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "empty"))
    with pytest.raises(ModelError, match="'tiny-13m' with SHA-256"):
        load_bundle(tmp_path / "mine")
