"""Explanation health and sensitivity of a finished case, on a model of 12 parcels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from app.analysis import explaining
from app.analysis.explaining import Wanted, explain_case
from app.analysis.health import half_masks, health_of
from app.analysis.sensitivity import cutoff_log_odds, sensitivity_of
from app.core.arrays import frozen
from app.core.errors import AppError, CancelledError
from app.core.explanation_health import (
    BASELINES,
    HALVES,
    OWN_BASELINE,
    RANDOM_WEIGHTS,
    SHUFFLED_LABELS,
    TOKEN_ORDERS,
    WINDOWS,
    keeps_baselines,
)
from app.core.progress import Progress
from app.core.results import Case, Provenance
from app.models.alterations import altered_models
from app.models.bundle import Bundle, load_bundle
from app.models.fmm_tc import expected_shapes
from app.preprocessing.cleaning import clean_series
from app.preprocessing.presets import find_preset
from app.study.case_store import read_case, write_case
from tests.unit.models.conftest import (
    PARCELS,
    mini_card,
    mini_scan,
    store_mini,
    write_mini,
)

FRAMES = 97


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_mini(tmp_path_factory.mktemp("models") / "mini"))


@pytest.fixture(scope="module")
def full_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With heads fitted on shuffled labels and all that comes with them."""
    folder = write_mini(tmp_path_factory.mktemp("full") / "mini")
    card = mini_card()
    card["sizes"]["shuffled_heads"] = 4
    tensors = load_file(str(folder / "weights.safetensors"))
    store_mini(folder, mini_card(), tensors)
    generator = torch.Generator().manual_seed(9)
    import tomli_w

    (folder / "card.toml").write_text(tomli_w.dumps(card))
    from app.models.card import read_card

    shapes = expected_shapes(read_card(folder))
    for key in sorted(shapes.keys() - tensors.keys()):
        tensors[key] = 0.3 * torch.randn(shapes[key], generator=generator)
    return load_bundle(store_mini(folder, card, tensors))


@pytest.fixture(scope="module")
def case(bundle: Bundle) -> Case:
    """A scan whose series are cleaned by the model's own preset, and its answer."""
    scan = mini_scan(frames=FRAMES, seed=5)
    rng = np.random.default_rng(8)
    names = find_preset("simple-highpass").regressors
    confounds = {name: frozen(rng.standard_normal(FRAMES)) for name in names}
    confounds["global_signal"] = frozen(rng.standard_normal(FRAMES).cumsum())
    confounds["framewise_displacement"] = frozen(np.r_[np.nan, np.full(FRAMES - 1, 0.1)])
    good = np.ones(FRAMES, bool)
    good[[20, 61]] = False
    raw = 800 + 4 * rng.standard_normal((FRAMES, PARCELS)).cumsum(0)
    cleaned = clean_series(raw, confounds, good, 2.0, find_preset("simple-highpass")).values
    matrix = np.corrcoef(cleaned[good].T)
    np.fill_diagonal(matrix, 0.0)
    scan = replace(
        scan,
        signals=replace(
            scan.signals,
            raw=frozen(raw),
            cleaned=frozen(cleaned),
            good_frames=frozen(good),
            confounds=confounds,
        ),
        connectome=replace(scan.connectome, matrix=frozen(matrix), frame_count=int(good.sum())),
    )
    return Case(
        case_id="ab" * 8,
        participant=scan.participant,
        scan=scan.scan,
        signals=scan.signals,
        quality=scan.quality,
        connectome=scan.connectome,
        prediction=scan.asked(bundle),
        provenance=Provenance("0.1.0", {}, "cpu", 1, {"run": 0}, {}, {}),
    )


@pytest.fixture(scope="module")
def explained(case: Case, bundle: Bundle) -> Case:
    return explaining.explained(case, bundle, "cpu", Progress())


@pytest.fixture(scope="module")
def judged(explained: Case, full_bundle: Bundle) -> Case:
    return replace(explained, health=health_of(explained, full_bundle, "cpu", Progress()))


def test_that_every_kind_of_repeat_and_both_sanity_checks_are_there(judged: Case) -> None:
    health = judged.health
    assert health is not None
    assert [len(health.of_kind(kind)) for kind in (BASELINES, WINDOWS, TOKEN_ORDERS, HALVES)] == [
        3, 4, 2, 2,
    ]  # fmt: skip
    assert {check.kind: check.models for check in health.sanity} == {
        RANDOM_WEIGHTS: 2,
        SHUFFLED_LABELS: 3,
    }
    assert health.missing == ()
    assert len(health.univariate) == 3 + 3
    sizes = [abs(row.difference) for row in health.univariate]
    assert sizes == sorted(sizes, reverse=True)


def test_that_stability_is_value_over_value_plus_spread_of_the_repeats(judged: Case) -> None:
    health, shown = judged.health, judged.attribution
    assert health is not None
    assert shown is not None
    assert ((health.stability >= 0) & (health.stability <= 1)).all()
    np.testing.assert_array_equal(health.unstable, health.stability < 0.5)
    np.testing.assert_allclose(health.connection_stability, health.connection_stability.T)
    # one kind by hand: the two references of a two-reference map deviate by the same amount
    one, two, branches = (row.per_parcel for row in health.of_kind(BASELINES))
    np.testing.assert_allclose(one + two, 2 * shown.scan.per_parcel, atol=0.15)
    np.testing.assert_allclose(branches, shown.branches.per_parcel, rtol=1e-6)


def test_that_a_bundle_without_shuffled_heads_says_so(explained: Case, bundle: Bundle) -> None:
    found = health_of(explained, bundle, "cpu", Progress())
    assert [check.kind for check in found.sanity] == [RANDOM_WEIGHTS]
    assert any("shuffled labels" in text for text in found.missing)
    assert found.univariate == ()
    assert found.univariate_text.startswith("No univariate ranking")


def test_that_health_repeats_to_the_same_bits(judged: Case, full_bundle: Bundle) -> None:
    again = health_of(judged, full_bundle, "cpu", Progress())
    assert judged.health is not None
    np.testing.assert_array_equal(again.stability, judged.health.stability)
    assert [c.similarity for c in again.sanity] == [c.similarity for c in judged.health.sanity]


def test_that_a_cancel_takes_hold_between_nodes(explained: Case, full_bundle: Bundle) -> None:
    steps = []

    def cancelled() -> bool:
        steps.append(1)
        return len(steps) > 5

    with pytest.raises(CancelledError):
        health_of(explained, full_bundle, "cpu", Progress(cancelled=cancelled))


def test_that_halves_share_no_frame_and_hold_every_good_one(case: Case) -> None:
    assert case.signals is not None
    first, second = half_masks(case.signals)
    assert not (first & second).any()
    np.testing.assert_array_equal(first | second, case.signals.good_frames)
    assert abs(int(first.sum()) - int(second.sum())) <= 1


def test_that_each_variant_is_the_number_of_the_altered_scan(case: Case, bundle: Bundle) -> None:
    found = sensitivity_of(case, bundle, Progress())
    assert case.prediction is not None
    assert found.as_made == case.prediction.log_odds
    groups = {variant.group: variant for variant in found.variants}
    assert list(groups) == [
        "Global signal", "Filter", "Censoring", "Repetition time", "Windows", "Token order",
        "Split halves",
    ]  # fmt: skip
    # by hand: clean with the global signal as well, ask again
    signals, preset = case.signals, find_preset("simple-highpass")
    assert signals is not None
    wider = replace(preset, regressors=(*preset.regressors, "global_signal"))
    values = clean_series(
        signals.raw, signals.confounds, np.asarray(signals.good_frames), 2.0, wider
    ).values
    matrix = np.corrcoef(values[np.asarray(signals.good_frames)].T)
    np.fill_diagonal(matrix, 0.0)
    scan = mini_scan(frames=FRAMES)
    other = replace(
        scan,
        signals=replace(signals, cleaned=values),
        connectome=replace(scan.connectome, matrix=matrix),
    ).asked(bundle)
    assert groups["Global signal"].log_odds == pytest.approx(other.log_odds, abs=1e-5)
    windows = [v.log_odds for v in found.variants if v.group == "Windows"]
    np.testing.assert_allclose(windows, case.prediction.log_odds_windows)
    assert groups["Repetition time"].log_odds is None
    assert "both policies are the same" in groups["Repetition time"].note


def test_that_the_cutoff_is_the_log_odds_that_calibrate_to_it(bundle: Bundle) -> None:
    value = cutoff_log_odds(bundle)
    calibration = bundle.card.calibration
    back = 1 / (1 + np.exp(-(calibration.slope * value + calibration.intercept)))
    assert back == pytest.approx(bundle.summary.cutoff)


def test_that_series_that_came_cleaned_are_not_cleaned_again(case: Case, bundle: Bundle) -> None:
    assert case.signals is not None
    foreign = replace(
        case, signals=replace(case.signals, raw=frozen(np.asarray(case.signals.cleaned)))
    )
    found = sensitivity_of(foreign, bundle, Progress())
    assert {v.log_odds for v in found.variants if v.group in ("Global signal", "Filter")} == {None}


def test_that_random_weights_share_nothing_with_the_model(bundle: Bundle) -> None:
    model: Any = bundle.scan_model("cpu")
    altered = [one for _, one in altered_models(model, RANDOM_WEIGHTS)]
    own = model.model.encoder.state_dict()
    for one in altered:
        other = one.model.encoder.state_dict()  # type: ignore[attr-defined]
        assert not any(
            torch.equal(own[key], other[key])
            for key in own
            if own[key].ndim > 1 and "pos_embedding" not in key
        )
    assert model.model.tensors["head.series"] is not None
    again: Any = bundle.scan_model("cpu")
    torch.testing.assert_close(
        again.model.tensors["head.series"], model.model.tensors["head.series"]
    )


@pytest.fixture
def installed(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setattr("app.models.bundle.load_bundle", lambda _name: bundle)
    monkeypatch.setattr("app.analysis.outputs.attribution_files", lambda *_: {})
    monkeypatch.setattr("app.connectome.atlases.load_atlas", lambda _name: _NoAtlas())
    return bundle


class _NoAtlas:
    labels_2mm = None


def test_that_the_folder_grows_by_what_was_asked_and_nothing_is_computed_twice(
    case: Case, installed: Bundle, tmp_path: Path
) -> None:
    folder = write_case(case, tmp_path)
    told: list[str] = []
    progress = Progress(announce=lambda name, facts: told.append(name))
    explain_case(folder, Wanted(sensitivity=True, write_pdf=False), progress)
    first = read_case(folder)
    assert first.attribution is not None
    assert first.attribution.patch_frames == 10
    assert first.sensitivity is not None
    assert first.health is None
    assert told == ["case_updated"]
    stamp = (folder / "case.json").stat().st_mtime_ns
    explain_case(folder, Wanted(sensitivity=True, write_pdf=False))
    assert (folder / "case.json").stat().st_mtime_ns == stamp


def test_that_a_withheld_case_is_not_explained(
    case: Case, installed: Bundle, tmp_path: Path
) -> None:
    bare = mini_scan(simulated=False).asked(installed)
    folder = write_case(replace(case, prediction=bare, case_id="cd" * 8), tmp_path)
    with pytest.raises(AppError) as refusal:
        explain_case(folder, Wanted(health=True))
    assert refusal.value.code == "explain.withheld"


def test_that_another_edition_of_the_model_is_refused(
    case: Case, installed: Bundle, tmp_path: Path
) -> None:
    assert case.prediction is not None
    assert case.prediction.model is not None
    other = replace(case.prediction.model, weights_sha256="0" * 64)
    folder = write_case(
        replace(case, prediction=replace(case.prediction, model=other), case_id="ef" * 8), tmp_path
    )
    with pytest.raises(AppError) as refusal:
        explain_case(folder, Wanted())
    assert refusal.value.code == "explain.other_model"


def test_that_each_baseline_is_kept_with_its_own_completeness(
    judged: Case, full_bundle: Bundle
) -> None:
    health = judged.health
    assert health is not None
    assert keeps_baselines(health)
    assert judged.signals is not None
    assert judged.connectome is not None
    functions = full_bundle.differentiable(judged.signals, judged.connectome, device="cpu")

    def log_odds(series: torch.Tensor) -> float:
        with torch.no_grad():
            matrix = functions.correlation_of(series)
            both = functions.series_log_odds(series) + functions.connectivity_log_odds(matrix)
        return float(both)

    top = log_odds(functions.series)
    first, second, own = health.of_kind(BASELINES)
    for one, reference in zip((first, second), functions.references, strict=True):
        assert one.output_difference == pytest.approx(top - log_odds(reference), abs=1e-5)
        total = float(np.sum(one.per_parcel, dtype=np.float64))
        assert one.completeness_error == pytest.approx(abs(total - one.output_difference), abs=1e-5)
        assert one.per_pair is not None
        assert one.per_parcel_frame is not None
        assert one.per_parcel_frame.shape == (PARCELS, FRAMES)
        parts = float(one.per_parcel_frame.sum() + one.per_pair.sum())
        assert parts == pytest.approx(total, abs=1e-4)
    assert own.name == OWN_BASELINE
    assert own.per_pair is None  # it stands with (a)


def test_that_halves_take_the_series_route_of_the_whole_scan_to_the_same_bits(
    judged: Case, full_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.attribution.health._same_series", lambda _one, _model: False)
    slow = health_of(judged, full_bundle, "cpu", Progress())
    assert judged.health is not None
    for one, other in zip(judged.health.repeats, slow.repeats, strict=True):
        np.testing.assert_array_equal(one.per_parcel, other.per_parcel)
        assert one.completeness_error == other.completeness_error


def test_that_health_of_an_older_case_is_computed_again_for_its_baselines(judged: Case) -> None:
    wanted = explaining.Wanted(health=True, write_pdf=False)
    assert explaining._todo(judged, wanted) == []
    assert judged.health is not None
    older = replace(judged, health=replace(judged.health, elsewhere=None))
    assert explaining._todo(older, wanted) == ["health"]
