"""FMM_TC in both modes: counts, windows, answers, leakage, learning, gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.cohort.metrics import auroc
from app.core.errors import CancelledError, ModelError
from app.core.progress import Progress
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.feature_cache import FeatureCache
from app.models.fmm_tc_inputs import (
    FRAMES_REPEATED,
    REFLECTED,
    ZERO_PADDED,
    evaluation_windows,
    gram,
    training_window,
)
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import RELEASED_TRAINING, FmmTcSettings, FmmTcTraining
from app.models.interface import DifferentiableResponse, ResponseModel
from app.models.series_encoder import EncoderSource, OrderFreeEncoder, SeriesEncoder, drawn_orders
from tests.unit.models.fmm_tc_people import (
    PARCELS,
    PLACES,
    SHORT,
    WINDOW,
    ask,
    fit,
    network,
    people,
    raw,
    source,
    variant,
)

RELEASED = replace(RELEASED_TRAINING, epochs=1)
ALL = ("series", "connectivity", "structural")


@pytest.fixture(scope="module")
def cohort():
    return people(36)


@pytest.fixture(scope="module")
def training(cohort):
    return cohort.some(slice(0, 24))


@pytest.fixture(scope="module")
def test_people(cohort):
    return cohort.some(slice(24, 36))


@pytest.fixture(scope="module")
def fused(training):
    return fit(network(variant()), training)


@pytest.fixture(scope="module")
def neufom(training):
    """Faithful mode with the structural branch."""
    settings = variant("faithful", structural=True, training=RELEASED)
    return fit(network(settings, source(third_party=True)), raw(training), seed=3)


# ------------------------------------------------------------------ what was released


def _pilot() -> EncoderSource:
    return EncoderSource.of_brainlm(BrainLM(BrainLMConfig()), file_sha256="cd" * 32)


def test_that_the_trainable_counts_are_the_released_ones():
    encoder = _pilot()
    assert encoder.encoder.width == 256
    assert FmmTcModule(FmmTcSettings.faithful(), 424, encoder).trainable_count() == 11_308_866
    second = FmmTcModule(FmmTcSettings.faithful(structural=True), 424, encoder)
    assert second.trainable_count() == 11_311_026
    assert second.fusion.linear.weight.shape == (2, 557)


def test_that_the_head_is_as_wide_as_the_encoder_says():
    wide = BrainLM(BrainLMConfig(hidden_size=512, decoder_hidden_size=512))
    module = FmmTcModule(FmmTcSettings.faithful(), 424, EncoderSource.of_brainlm(wide))
    assert module.fusion.linear.weight.shape == (2, 768)


def test_that_released_training_is_as_published():
    settings = FmmTcSettings.faithful().training
    assert (settings.learning_rate, settings.epochs, settings.batch) == (5e-4, 100, 8)
    assert settings.learning_rate * settings.final_share == pytest.approx(1e-7)
    assert settings.summed_gradients


def test_that_faithful_windows_are_random_in_training_and_first_at_evaluation():
    settings = variant("faithful")
    series = torch.arange(50.0)[:, None].expand(50, PARCELS)
    starts = [
        float(training_window(series, settings, np.random.default_rng(seed))[0][0, 0])
        for seed in range(40)
    ]
    assert len(set(starts)) > 10
    assert min(starts) >= 0
    assert max(starts) <= 30
    windows, flag = evaluation_windows(series, settings)
    assert (len(windows), flag) == (1, "")
    np.testing.assert_array_equal(windows[0][3], np.arange(WINDOW))


def test_that_corrected_windows_overlap_by_half_and_end_flush():
    series = torch.arange(47.0)[:, None].expand(47, PARCELS)
    windows, _ = evaluation_windows(series, variant())
    assert [int(one[0, 0]) for one in windows] == [0, 10, 20, 27]
    assert int(windows[-1][0, -1]) == 46


def test_that_short_scans_do_what_the_settings_say():
    series = torch.arange(1.0, 16.0)[:, None].expand(15, PARCELS)
    with pytest.raises(ModelError) as caught:
        evaluation_windows(series, variant())
    assert caught.value.code == "model.too_short"
    with pytest.raises(ModelError):
        training_window(series, variant("faithful"), np.random.default_rng(1))
    (mirrored,), flag = evaluation_windows(series, variant(short_scans="reflect"))
    assert flag == REFLECTED
    np.testing.assert_array_equal(mirrored[0], [*range(1, 16), 14, 13, 12, 11, 10])
    released = variant("faithful", structural=True)
    (padded,), flag = evaluation_windows(series, released)
    assert flag == ZERO_PADDED
    np.testing.assert_array_equal(padded[0, 15:], 0.0)
    drawn, flag = training_window(series, released, np.random.default_rng(1))
    assert flag == FRAMES_REPEATED
    assert float(drawn.min()) >= 1.0
    with pytest.raises(ModelError):  # ten frames cannot be mirrored into twenty
        evaluation_windows(series[:10], variant(short_scans="reflect"))


def test_that_the_gram_matrix_is_of_the_same_raw_window(training, neufom):
    one = raw(training).series[0]
    found = neufom.connectivity_of(torch.from_numpy(one)).double().numpy()
    window = one[:WINDOW].astype(np.float64)
    np.testing.assert_allclose(found, window.T @ window, rtol=1e-5)
    zero = neufom.connectivity_of(torch.zeros(30, PARCELS))
    assert float(zero.abs().max()) == 0.0
    assert float(gram(torch.tensor([[1.0, 2.0]]))) == 5.0


def test_that_token_orders_are_drawn_a_call_and_recorded(training):
    settings = variant("faithful", branches=("series",), training=replace(RELEASED, epochs=2))
    first = fit(network(settings), raw(training), seed=3).record()
    again = fit(network(settings), raw(training), seed=3).record()
    other = fit(network(settings), raw(training), seed=4).record()
    assert first["training_orders"] == 2 * 3  # epochs times batches
    assert first["training_orders_sha256"] == again["training_orders_sha256"]
    assert first["training_orders_sha256"] != other["training_orders_sha256"]


# ------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"branches": ("series",)},
        {"branches": ("connectivity",)},
        {"connectivity": "partial", "connectivity_encoder": "compact"},
        {"connectivity": "tangent"},
        {"fusion": "late"},
        {"fusion": "gated", "branches": ALL},
        {"foundation": "random", "normalisation": "robust_cohort"},
        {"foundation": "scratch"},
        {"branches": ALL},
    ],
    ids=str,
)
def test_that_every_variant_answers_twice_the_same_and_after_storage(
    changes, training, test_people, tmp_path
):
    model = fit(network(variant(**changes)), training)
    assert isinstance(model, ResponseModel)
    assert isinstance(model, DifferentiableResponse)
    first = ask(model, test_people)
    assert np.ptp(first) > 0
    np.testing.assert_array_equal(first, ask(model, test_people))
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [path.name]
    loaded = FmmTcNetwork.load(path)
    np.testing.assert_array_equal(first, ask(loaded, test_people))
    assert loaded.record() == model.record()
    one = test_people.some([3])
    volumes = one.structural[0] if "structural" in model.settings.branches else None
    found = model.detail(one.series[0], one.connectivity[0], volumes)
    assert found.log_odds == first[3]  # whoever else is asked about
    assert sum(found.contributions.values()) == pytest.approx(found.log_odds, abs=1e-5)
    assert set(found.contributions) == {*model.settings.branches, "bias"}
    assert found.exact_contributions == (model.settings.fusion != "gated")
    assert found.window_log_odds.mean() == pytest.approx(found.log_odds, abs=1e-9)


def test_that_faithful_mode_answers_twice_the_same_and_after_storage(neufom, test_people, tmp_path):
    first = ask(neufom, raw(test_people))
    np.testing.assert_array_equal(first, ask(neufom, raw(test_people)))
    path = tmp_path / "model.safetensors"
    neufom.save(path)
    loaded = FmmTcNetwork.load(path, encoder=source(third_party=True))
    np.testing.assert_array_equal(first, ask(loaded, raw(test_people)))
    found = neufom.detail(raw(test_people).series[0], np.zeros(0), test_people.structural[0])
    assert found.exact_contributions
    assert sum(found.contributions.values()) == pytest.approx(found.log_odds, rel=1e-5)


def test_that_the_mean_training_person_sits_at_the_bias(training, fused):
    shares = [
        fused.detail(one, matrix).contributions
        for one, matrix in zip(training.series, training.connectivity, strict=True)
    ]
    for branch in ("series", "connectivity"):
        assert np.mean([s[branch] for s in shares]) == pytest.approx(0.0, abs=1e-5)
    assert len({s["bias"] for s in shares}) == 1


def test_that_missing_parcels_are_filled_and_counted(test_people, fused):
    series, matrix = test_people.series[0].copy(), test_people.connectivity[0].copy()
    series[:, 5] = np.nan
    matrix[5] = matrix[:, 5] = np.nan
    found = fused.detail(series, matrix)
    assert (found.missing_parcels, found.missing_connectivity) == (1, 1)
    assert np.isfinite(found.log_odds)
    series[:, :5] = np.nan
    with pytest.raises(ModelError) as caught:
        fused.detail(series, matrix)
    assert caught.value.code == "model.missing_parcels"


def test_that_a_matrix_of_another_atlas_is_refused(test_people, fused):
    with pytest.raises(ModelError, match="atlas") as caught:
        fused.detail(test_people.series[0], test_people.connectivity[0][:7, :7])
    assert caught.value.code == "model.connectivity"


def test_that_raw_and_cleaned_series_are_not_mistaken(training, test_people, fused):
    with pytest.raises(ModelError, match="raw parcel means") as caught:
        ask(fused, raw(test_people))
    assert caught.value.code == "model.series_kind"
    with pytest.raises(ModelError, match="centred"):
        fit(network(variant("faithful", training=RELEASED)), training)


def test_that_volumes_are_needed_whole_and_in_their_unit(training, test_people):
    model = fit(network(variant(branches=ALL)), training)
    one = test_people.some([0])
    for volumes in (None, one.structural[0][:44], one.structural[0] / 1e6):
        with pytest.raises(ModelError) as caught:
            model.detail(one.series[0], one.connectivity[0], volumes)
        assert caught.value.code == "model.structural"
    gappy = one.structural[0].copy()
    gappy[7] = np.nan
    assert model.detail(one.series[0], one.connectivity[0], gappy).missing_volumes == 1
    with pytest.raises(ModelError, match="fractions"):
        fit(network(variant(branches=ALL, structural_unit="intracranial_fraction")), training)


def test_that_statistics_of_everybody_belong_to_faithful_mode_alone(training, cohort, neufom):
    with pytest.raises(ModelError):
        network(variant(branches=ALL)).use_global_structural_statistics(cohort.structural)
    settings = variant("faithful", branches=("structural",), training=RELEASED)
    model = network(settings)
    model.use_global_structural_statistics(cohort.structural)
    fit(model, raw(training))
    assert model.record()["global_structural_statistics"]
    mean = model.fitted.members[0].structural.mean.numpy()
    np.testing.assert_allclose(mean, cohort.structural.mean(0))
    fold = neufom.fitted.members[0].structural.mean.numpy()
    np.testing.assert_allclose(fold, training.structural.mean(0))


# ------------------------------------------------------------------ learning


def test_that_a_planted_connection_is_learnt_and_shuffled_labels_are_not():
    group = people(80, seed=5)
    rows, others = slice(0, 50), slice(50, 80)
    settings = variant(branches=("connectivity",), training=replace(SHORT, epochs=25, patience=25))
    model = fit(network(settings), group.some(rows))
    assert auroc(ask(model, group.some(others)), group.some(others).labels) > 0.95
    scores = []
    for seed in range(4):
        shuffled = np.random.default_rng(seed).permutation(group.labels)
        blind = replace(group, labels=shuffled)
        model = fit(network(settings), blind.some(rows), seed=seed)
        scores.append(auroc(ask(model, blind.some(others)), blind.some(others).labels))
    error = np.std(scores) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - 0.5) < 3 * error + 0.05


def test_that_the_same_seed_gives_the_same_model_and_another_does_not(training, test_people, fused):
    again = fit(network(variant()), training)
    np.testing.assert_array_equal(ask(fused, test_people), ask(again, test_people))
    other = fit(network(variant()), training, seed=1)
    assert not np.array_equal(ask(fused, test_people), ask(other, test_people))


def test_that_people_outside_never_touch_what_was_fitted(cohort):
    settings = variant(branches=ALL, connectivity="tangent", normalisation="robust_cohort")
    inside, outside = cohort.some(slice(0, 24)), cohort.some(slice(24, 36))
    first = fit(network(settings), inside)
    before = first.state()[1]
    changed = replace(
        outside,
        series=[7.0 * one for one in outside.series],
        connectivity=0.5 * outside.connectivity,
        structural=3.0 * outside.structural,
    )
    ask(first, changed)
    after, again = first.state()[1], fit(network(settings), inside).state()[1]
    for key, value in before.items():
        assert torch.equal(value, after[key]), key
        assert torch.equal(value, again[key]), key


def test_that_answers_do_not_depend_on_the_company(test_people, fused):
    alone = [ask(fused, test_people.some([i]))[0] for i in range(4)]
    np.testing.assert_array_equal(ask(fused, test_people)[:4], alone)


def test_that_frozen_vectors_are_computed_once(training):
    cache = FeatureCache()
    for _ in range(2):
        model = FmmTcNetwork(variant(), encoder=source(), centroids_mm=PLACES, cache=cache)
        fit(model, training)
        assert cache.computed == len(training.labels)
    ordered = FmmTcNetwork(
        variant(),
        encoder=source(),
        centroids_mm=PLACES,
        orders=drawn_orders(24, 2, 7),
        cache=cache,
    )
    fit(ordered, training)
    assert cache.computed == 2 * len(training.labels)


def test_that_the_arms_of_the_ablation_differ_in_the_encoder_alone(training):
    weights = {}
    for foundation in ("pretrained", "random", "scratch"):
        model = fit(network(variant(foundation=foundation)), training)
        weights[foundation] = model.fitted.encoder.sha256
        count = model.fitted.members[0].trainable_count()
        assert count == 0  # fitted models are frozen
    assert weights["pretrained"] == source().sha256
    assert weights["random"] == weights["scratch"] != weights["pretrained"]
    fresh = FmmTcModule(variant(foundation="scratch"), PARCELS, source())
    frozen = FmmTcModule(variant(), PARCELS, source())
    # one branch more weights, not more widths
    assert fresh.trainable_count() > frozen.trainable_count()
    assert fresh.widths == frozen.widths


def test_that_a_cancel_ends_training(training):
    model = network(variant())
    with pytest.raises(CancelledError):
        model.fit(
            training.series,
            training.connectivity,
            training.covariates,
            training.labels,
            progress=Progress(cancelled=lambda: True),
        )
    with pytest.raises(ModelError) as caught:
        ask(model, training)
    assert caught.value.code == "model.not_fitted"


def test_that_people_who_do_not_belong_together_are_refused(training):
    cases = [
        (replace(training, labels=np.ones(24, bool)), "model.too_few"),
        (replace(training, series=training.series[:-1]), "model.people"),
        (replace(training, connectivity=training.connectivity[:, :5, :5]), "model.people"),
        (replace(training, series=[s[:, :9] for s in training.series]), "model.series_shape"),
    ]
    for group, code in cases:
        with pytest.raises(ModelError) as caught:
            fit(network(variant()), group)
        assert caught.value.code == code


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize(
    "changes",
    [{}, {"connectivity": "tangent", "fusion": "gated"}, {"foundation": "scratch"}],
    ids=str,
)
def test_that_gradients_reach_series_and_matrix(changes, training):
    model = fit(network(variant(**changes)), training)
    series = torch.from_numpy(training.series[1].astype(np.float64)).float()
    matrix = torch.from_numpy(training.connectivity[1])
    expected = model.detail(training.series[1], training.connectivity[1]).log_odds
    assert float(model.log_odds_of(series, matrix)) == pytest.approx(expected, abs=1e-5)
    start, beside = series.requires_grad_(True), matrix.requires_grad_(True)
    slopes = torch.autograd.grad(model.log_odds_of(start, beside), (start, beside))
    assert float(slopes[0].abs().max()) > 0
    rng = np.random.default_rng(2)
    for wrt, size in ((0, 2e-2), (1, 1e-3)):
        inputs = [series.detach(), matrix.detach()]
        bump = torch.from_numpy(rng.standard_normal(inputs[wrt].shape)).to(inputs[wrt])
        if wrt:
            bump = bump + bump.T
        high, low = list(inputs), list(inputs)
        high[wrt], low[wrt] = inputs[wrt] + size * bump, inputs[wrt] - size * bump
        with torch.no_grad():
            slope = float(model.log_odds_of(*high) - model.log_odds_of(*low)) / (2 * size)
        assert float((slopes[wrt] * bump).sum()) == pytest.approx(slope, rel=0.03, abs=1e-4)


def test_that_encoders_satisfy_the_protocol_and_pooling_widens_them():
    plain, pooled = source().encoder, source(pooled=True).encoder
    assert isinstance(plain, SeriesEncoder)
    assert (plain.width, pooled.width) == (16, 3 * 16)
    windows = torch.randn(2, PARCELS, WINDOW, generator=torch.Generator().manual_seed(1))
    orders = torch.from_numpy(drawn_orders(24, 3, 1))
    places = torch.from_numpy(PLACES)
    single = torch.stack([plain.cls(windows, places, one[None]) for one in orders])
    torch.testing.assert_close(plain.cls(windows, places, orders), single.mean(0))
    assert pooled.cls(windows, places, orders).shape == (2, 48)


def test_that_an_encoder_of_another_family_fits_in(training, test_people, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        inner = torch.nn.Linear(PARCELS * WINDOW, 6)
    other = OrderFreeEncoder(inner, lambda m, w, _xyz: m(w.flatten(1)), 6, WINDOW)
    assert isinstance(other, SeriesEncoder)
    published = EncoderSource(other, "12" * 32, True, {})
    model = FmmTcNetwork(variant(), encoder=published, centroids_mm=PLACES)
    assert model.orders.shape == (1, 0)
    answers = ask(fit(model, training), test_people)
    model.save(tmp_path / "m.safetensors")
    loaded = FmmTcNetwork.load(tmp_path / "m.safetensors", encoder=published)
    np.testing.assert_array_equal(ask(loaded, test_people), answers)
    fresh = published.restarted(4)
    assert not fresh.third_party
    assert fresh.encoder.cls(torch.ones(1, PARCELS, WINDOW), None, None).shape == (1, 6)
    assert torch.equal(fresh.encoder.module.bias, torch.zeros(6))


def test_that_the_mode_is_in_the_line_that_outputs_print():
    assert FmmTcSettings.faithful().label().startswith("FMM_TC, faithful, for comparison only: ")
    assert FmmTcSettings.corrected(branches=("connectivity",), fusion="late").label() == (
        "FMM_TC, corrected: connectivity (pearson, linear)"
    )


def test_that_settings_that_make_no_model_are_refused_by_name():
    for changes, word in (
        ({"connectivity": "gram"}, "Gram"),
        ({"branches": ("connectivity", "series")}, "branches"),
        ({"fusion": "mixed"}, "fusion"),
        ({"training": FmmTcTraining(members=5)}, "members"),
        ({"training": FmmTcTraining(summed_gradients=True)}, "summed"),
        ({"shrinkage": 1.5}, "shrinkage"),
    ):
        with pytest.raises(ModelError, match=word) as caught:
            FmmTcSettings.corrected(**changes)
        assert caught.value.code == "model.settings"
    with pytest.raises(ModelError, match="faithful mode with connectivity"):
        FmmTcSettings.faithful(connectivity="pearson")
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork(FmmTcSettings.corrected())
    assert caught.value.code == "model.encoder_missing"
    for places, orders, code in (
        (PLACES[:9], None, "model.series_shape"),
        (PLACES, np.arange(23)[None], "model.order"),
        (PLACES, np.zeros((1, 24), int), "model.order"),
    ):
        with pytest.raises(ModelError) as caught:
            FmmTcNetwork(variant(), encoder=source(), centroids_mm=places, orders=orders)
        assert caught.value.code == code
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork(FmmTcSettings.corrected(branches=("connectivity",)), device="mps")
    assert caught.value.code == "model.device"
