"""FMM_TC and its rivals as bundles: loaded, asked, explained, sent away and back, bit-equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.attribution.explain import METHOD_JOINT, METHOD_SUM
from app.core.errors import ModelError
from app.models.architectures import ARCHITECTURES, RIVALS
from app.models.archive import export_bundle, import_bundle, remove_bundle
from app.models.baselines import BASELINES, Study
from app.models.baselines.encoder_logistic import EncoderLogistic
from app.models.baselines.encoder_reading import ReadEncoder, Reading
from app.models.baselines.training_loop import Training
from app.models.bundle import load_bundle
from app.models.bundled_models import _check_time_axis
from app.models.card import read_card
from app.models.differentiable_normalisation import NAMES, SELF_SCALED, UNCENTRED
from app.models.encoder_lookup import installed_encoder, source_of
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.installed import user_models_path
from app.models.seal import SEAL_FILE
from tests.unit.models.bundled import (
    ask_bundle,
    card_of,
    centred_scan,
    encoder_fields,
    install_encoder,
    write_card,
    write_response,
)
from tests.unit.models.conftest import mini_scan
from tests.unit.models.fmm_tc_people import (
    PLACES,
    WINDOW,
    fit,
    network,
    people,
    source,
    variant,
)

GROUP = people(24)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def network_card(model: FmmTcNetwork, **contract: Any) -> dict[str, Any]:
    """A card that agrees with the model."""
    found = model.fitted.encoder
    encoder = None
    if found is not None:
        encoder = encoder_fields(found.sha256, installed=found.third_party)
    card = card_of("fmm-tc-network", encoder=encoder)
    card["contract"]["normalisation"] = model.settings.normalisation
    card["contract"] |= contract
    return card


def there_and_back(tmp_path: Path) -> None:
    """Out as one file, away, and in again."""
    target = export_bundle("fitted", tmp_path / "fitted.nrmodel")
    remove_bundle("fitted")
    assert import_bundle(target) == "fitted"


def unsealed(folder: Path, card: dict[str, Any]) -> Path:
    """Another card in a folder that no import made."""
    (folder / SEAL_FILE).unlink(missing_ok=True)
    write_card(folder, card)
    return folder


@pytest.mark.parametrize("fusion", ["concat", "late", "gated"])
def test_that_a_trained_network_answers_explains_and_travels(home, tmp_path, fusion):
    model = fit(network(variant(fusion=fusion)), GROUP)
    write_response(user_models_path() / "fitted", network_card(model), model)
    scan = centred_scan()
    before = ask_bundle("fitted", scan)
    expected = model.detail(scan.signals.cleaned, scan.connectome.matrix)
    answer = before.prediction
    assert answer.log_odds == expected.log_odds
    np.testing.assert_array_equal(answer.log_odds_windows, expected.window_log_odds)
    assert len(answer.log_odds_windows) == 4
    assert answer.contributions == expected.contributions
    assert set(answer.contributions) == {"series", "connectivity", "bias"}
    assert sum(answer.contributions.values()) == pytest.approx(answer.log_odds, abs=1e-5)
    assert answer.contributions_exact is (fusion != "gated")
    told = before.attribution
    assert told.branches.method == (METHOD_JOINT if fusion == "gated" else METHOD_SUM)
    assert told.branches.converged
    assert told.scan.converged
    moved = told.branches.per_parcel_series.sum() + told.branches.per_connection.sum() / 2
    assert moved == pytest.approx(told.branches.output_difference, abs=0.01)
    assert np.abs(told.branches.per_parcel_series).max() > 0
    assert np.abs(told.branches.per_connection).max() > 0
    there_and_back(tmp_path)
    after = ask_bundle("fitted", scan)
    assert after.prediction.log_odds == answer.log_odds
    assert after.prediction.interval == answer.interval
    np.testing.assert_array_equal(after.attribution.scan.per_parcel, told.scan.per_parcel)


def test_that_a_published_encoder_is_found_by_its_hash_and_never_travels(home, tmp_path):
    sha256 = install_encoder(home)
    published = source_of(installed_encoder(sha256))
    assert (published.sha256, published.third_party) == (sha256, True)
    model = fit(network(variant(branches=("series",)), published), GROUP)
    folder = write_response(user_models_path() / "fitted", network_card(model), model)
    scan = centred_scan()
    before = ask_bundle("fitted", scan)
    target = export_bundle("fitted", tmp_path / "fitted.nrmodel")
    assert (
        target.stat().st_size < (home / "data/encoders/tiny-13m/model.safetensors").stat().st_size
    )
    remove_bundle("fitted")
    # where the encoder lies under another name it is found all the same
    (home / "data/encoders/tiny-13m").rename(home / "data/encoders/elsewhere")
    assert import_bundle(target) == "fitted"
    assert scan.asked(load_bundle("fitted")).log_odds == before.prediction.log_odds
    remove_bundle("fitted")
    (home / "data/encoders/elsewhere").rename(home / "away")
    with pytest.raises(ModelError, match="'tiny-13m'") as caught:
        import_bundle(target)
    assert caught.value.code == "model.encoder_missing"
    assert "main.py models" in caught.value.hint
    assert sha256[:12] in caught.value.message
    assert not folder.exists()
    install_encoder(home, seed=9)  # another one of the same sizes does not do
    with pytest.raises(ModelError) as caught:
        import_bundle(target)
    assert caught.value.code == "model.encoder_missing"


def test_that_the_catalogue_names_the_command_that_installs(home):
    with pytest.raises(ModelError) as caught:
        installed_encoder("ab" * 32, "vitmae_111M")
    assert "models install vitmae_111M" in caught.value.hint


def make_rival(name: str) -> Any:
    training = Training(epochs=2, patience=1)
    entry = next(one for one in BASELINES if one.id == name)
    return entry.make(Study(window_frames=WINDOW, training=training))


def test_that_every_rival_that_a_scan_can_answer_is_in_the_table():
    wanted = [(one.id, one.inputs) for one in BASELINES if one.inputs in ("connectivity", "series")]
    assert list(RIVALS) == wanted
    assert {name for name, _ in RIVALS} <= {entry.name for entry in ARCHITECTURES}


@pytest.mark.parametrize("name", [one for one, _ in RIVALS if one != "encoder-logistic"])
def test_that_rivals_answer_explain_and_travel(home, tmp_path, name):
    model = make_rival(name).fit(GROUP.series, GROUP.connectivity, GROUP.covariates, GROUP.labels)
    write_response(user_models_path() / "fitted", card_of(name), model)
    scan = centred_scan()
    before = ask_bundle("fitted", scan)
    expected = model.predict_log_odds(
        [scan.signals.cleaned], scan.connectome.matrix[None], np.zeros((1, 0))
    )[0]
    assert before.prediction.log_odds == expected
    assert before.attribution is not None
    on_series = dict(RIVALS)[name] == "series"
    branches = before.attribution.branches
    assert bool(np.abs(branches.per_parcel_series).max() > 0) is on_series
    assert bool(np.abs(branches.per_connection).max() > 0) is not on_series
    there_and_back(tmp_path)
    assert scan.asked(load_bundle("fitted")).log_odds == expected


def test_that_a_rival_of_another_name_is_refused(home):
    model = make_rival("pearson-svm").fit(
        GROUP.series, GROUP.connectivity, GROUP.covariates, GROUP.labels
    )
    with pytest.raises(ModelError, match="pearson-logistic") as caught:
        write_response(user_models_path() / "fitted", card_of("pearson-logistic"), model)
    assert caught.value.code == "model.kind"


@pytest.mark.parametrize("normalisation", ["percent_scaled", "robust_scan"])
def test_that_the_logistic_on_an_encoder_gets_it_back_by_hash(home, tmp_path, normalisation):
    sha256 = install_encoder(home)
    reading = Reading(sha256, normalisation)
    read = ReadEncoder(installed_encoder(sha256), reading, PLACES)
    model = EncoderLogistic(read).fit(
        GROUP.series, GROUP.connectivity, GROUP.covariates, GROUP.labels
    )
    card = card_of("encoder-logistic", encoder=encoder_fields(sha256, installed=True))
    card["contract"]["normalisation"] = normalisation
    write_response(user_models_path() / "fitted", card, model)
    scan = centred_scan()
    before = ask_bundle("fitted", scan)
    assert before.prediction.log_odds is not None
    # a scan that is scaled by itself has no zero to start from: no explanation, and no NaN
    assert (before.attribution is None) is (normalisation == "robust_scan")
    there_and_back(tmp_path)
    assert scan.asked(load_bundle("fitted")).log_odds == before.prediction.log_odds
    card["contract"]["normalisation"] = "demean"
    with pytest.raises(ModelError, match=r"contract\.normalisation"):
        load_bundle(unsealed(user_models_path() / "fitted", card))


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("contract", "normalisation", "demean"),
        ("contract", "series_scale_percent", 2.0),
        ("contract", "window_frames", 21),
        ("contract", "maximum_missing_parcels", 2),
        ("contract", "repetition_time_policy", "physical"),
        ("model", "mode", "faithful"),
        ("encoder", "sha256", "b" * 64),
        ("encoder", "source", "installed"),
    ],
)
def test_that_a_card_that_says_otherwise_than_its_model_is_refused(home, table, field, value):
    model = fit(network(variant(branches=("series",)), source()), GROUP)
    folder = user_models_path() / "fitted"
    card = network_card(model)
    write_response(folder, card, model)
    card[table][field] = value
    write_card(folder, card)
    with pytest.raises(ModelError, match=f"{table}.{field}") as caught:
        load_bundle(folder)
    assert caught.value.code == "model.card"


def test_that_what_a_bundle_cannot_ask_is_refused(home):
    volumes = fit(network(variant(branches=("connectivity", "structural"))), GROUP)
    with pytest.raises(ModelError, match="45 volumes"):
        write_response(user_models_path() / "fitted", network_card(volumes), volumes)


def test_that_a_network_on_the_physical_axis_is_asked_on_it(home, tmp_path):
    settings = variant(
        branches=("series",), repetition_time_policy="physical", repetition_time_s=2.0
    )
    model = fit(network(settings), GROUP)
    card = network_card(model, repetition_time_policy="physical")
    write_response(user_models_path() / "fitted", card, model)
    scan = centred_scan()
    before = ask_bundle("fitted", scan)
    # 47 frames of 2 s are 126 of 0.735 s: half overlapping windows of 20, the last flush
    assert len(before.prediction.log_odds_windows) == 12
    assert before.attribution.branches.converged
    there_and_back(tmp_path)
    assert scan.asked(load_bundle("fitted")).log_odds == before.prediction.log_odds
    assert mini_scan(frames=30).asked(load_bundle("fitted")).probability is None
    card["contract"]["repetition_time_s"] = 1.5
    with pytest.raises(ModelError, match=r"contract\.repetition_time_s"):
        load_bundle(unsealed(user_models_path() / "fitted", card))
    # 20 frames of 0.5 s are no window of 20 frames of 0.735 s
    card["contract"] |= {"repetition_time_s": 0.5, "minimum_frames": 20}
    short = read_card(unsealed(user_models_path() / "fitted", card))
    with pytest.raises(ModelError, match="too few for a window"):
        _check_time_axis(short, "physical", 0.5, WINDOW)


@pytest.mark.parametrize("normalisation", [n for n in NAMES if n != "percent_scaled"])
def test_that_named_normalisations_are_fixed_by_a_bundle(home, normalisation):
    settings = variant(branches=("series",), normalisation=normalisation)
    model = fit(network(settings), GROUP)
    missing = 0 if normalisation in UNCENTRED else 1
    card = network_card(model, maximum_missing_parcels=missing)
    folder = write_response(user_models_path() / "fitted", card, model)
    scan = centred_scan()
    found = ask_bundle("fitted", scan)
    assert found.prediction.log_odds == model.detail(scan.signals.cleaned, np.zeros(0)).log_odds
    # what is scaled by itself has no series of zeros to start from
    assert (found.attribution is None) is (normalisation in SELF_SCALED)
    if missing == 0:
        card["contract"]["maximum_missing_parcels"] = 1
        write_card(folder, card)
        with pytest.raises(ModelError, match=r"maximum_missing_parcels is 1, the model allows 0"):
            load_bundle(folder)


@pytest.mark.parametrize("normalisation", ["robust_pop", "demean_gsd", "minmax_all", "raw"])
def test_that_other_normalisations_are_refused_with_those_that_can_be_done(home, normalisation):
    model = fit(network(variant(branches=("series",))), GROUP)
    folder = user_models_path() / "fitted"
    card = network_card(model)
    write_response(folder, card, model)
    card["contract"]["normalisation"] = normalisation
    write_card(folder, card)
    with pytest.raises(ModelError, match=f"'{normalisation}' is not one .* robust_scan"):
        load_bundle(folder)


def test_that_a_parcel_without_spread_is_refused_where_a_scan_scales_itself():
    model = fit(network(variant(branches=("series",), normalisation="robust_scan")), GROUP)
    flat = np.array(GROUP.series[0])
    flat[:, 3] = 0.0
    flat[5, 3] = 1.0  # varies, and has no spread between its quartiles
    with pytest.raises(ModelError, match="no spread") as caught:
        model.detail(flat, GROUP.connectivity[0])
    assert caught.value.code == "model.normalisation"


def test_that_a_models_own_file_is_searched_for_restricted_encoders(home, tmp_path):
    model = fit(network(variant(branches=("series",))), GROUP)
    card = network_card(model)
    card["encoder"]["licence"] = "CC BY-NC-ND 4.0"  # and its weights are in the file
    write_response(user_models_path() / "fitted", card, model)
    with pytest.raises(ModelError, match="may not be passed on") as caught:
        export_bundle("fitted", tmp_path / "fitted.nrmodel")
    assert caught.value.code == "model.third_party"
    assert not list(tmp_path.glob("*.nrmodel"))
