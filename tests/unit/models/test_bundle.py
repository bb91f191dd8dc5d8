"""A bundle answers only when every gate is open, and loads only when nothing was changed."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file

from app.core.errors import CancelledError, ModelError
from app.core.progress import Progress
from app.core.results import Finding, Outcome, Severity, Verdict
from app.models.bundle import load_bundle
from app.models.gates import NOT_FOR_PEOPLE
from tests.unit.models.conftest import mini_scan, store_mini, write_mini

NUMBERS = (
    "probability",
    "interval",
    "log_odds",
    "log_odds_windows",
    "covariate_probability",
    "contributions",
)


def test_that_a_simulated_scan_gets_a_number_with_exact_contributions(bundle_dir, scan):
    answer = scan.asked(load_bundle(bundle_dir))
    assert answer.outcome in (Outcome.RESULT, Outcome.INCONCLUSIVE)
    assert sum(answer.contributions.values()) == pytest.approx(answer.log_odds, abs=1e-9)
    assert answer.log_odds_windows.shape == (2,)
    assert answer.log_odds_windows.mean() == pytest.approx(answer.log_odds, abs=1e-9)
    expected = 1 / (1 + np.exp(-(0.8 * answer.log_odds - 0.1)))
    assert answer.probability == pytest.approx(expected)
    assert answer.interval[0] <= answer.probability <= answer.interval[1]
    assert not answer.research_only


def test_that_the_same_scan_gives_the_same_bits_at_any_thread_count(bundle_dir, scan):
    bundle, before = load_bundle(bundle_dir), torch.get_num_threads()
    answers = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        answers.append(scan.asked(bundle, threads=threads))
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
    assert answers[0].log_odds == answers[1].log_odds
    assert answers[0].interval == answers[1].interval


def test_that_a_real_scan_is_withheld_with_the_one_sentence(bundle_dir):
    answer = mini_scan(simulated=False).asked(load_bundle(bundle_dir))
    assert answer.outcome is Outcome.WITHHELD
    assert answer.reasons == ("Withheld: no model trained on people is installed",)
    assert all(getattr(answer, name) is None for name in NUMBERS)


def test_that_research_mode_computes_and_stamps(bundle_dir):
    answer = mini_scan(simulated=False).asked(load_bundle(bundle_dir), research=True)
    assert answer.outcome is Outcome.WITHHELD
    assert answer.reasons[0] == NOT_FOR_PEOPLE
    assert answer.research_only
    assert answer.probability is not None


def test_that_research_mode_stamps_nothing_that_no_gate_withholds(bundle_dir, scan):
    assert not scan.asked(load_bundle(bundle_dir), research=True).research_only


@pytest.mark.parametrize(
    ("part", "change", "word"),
    [
        ("signals", {"atlas": "other"}, "atlas"),
        ("signals", {"template": "other"}, "template"),
        ("signals", {"preset": "band-pass"}, "preset"),
        ("signals", {"repetition_time_s": 0.72}, "repetition time"),
        ("signals", {"repetition_time_s": float("nan")}, "repetition time"),
        ("connectome", {"kind": "partial"}, "partial"),
    ],
)
def test_that_whatever_differs_from_training_is_withheld(bundle_dir, scan, part, change, word):
    changed = replace(scan, **{part: replace(getattr(scan, part), **change)})
    answer = changed.asked(load_bundle(bundle_dir))
    assert answer.outcome is Outcome.WITHHELD
    assert len(answer.reasons) == 1
    assert word in answer.reasons[0]
    assert answer.probability is None


def test_that_a_short_scan_is_never_padded(bundle_dir):
    answer = mini_scan(frames=39).asked(load_bundle(bundle_dir), research=True)
    assert answer.outcome is Outcome.WITHHELD
    assert answer.probability is None
    assert "39 usable frames" in answer.reasons[0]


def test_that_failed_quality_and_blocking_findings_withhold(bundle_dir, scan, bad_quality):
    bundle = load_bundle(bundle_dir)
    answer = replace(scan, quality=bad_quality).asked(bundle)
    assert answer.probability is None
    assert "Mean FD is 0.900 mm" in answer.reasons[0]
    finding = Finding("scan.orientation", Severity.BLOCKING, "Orientation unknown.", "Set it.")
    assert "Orientation" in scan.asked(bundle, findings=(finding,)).reasons[0]


def test_that_missing_parcels_are_counted_and_tolerated_up_to_the_limit(bundle_dir, scan):
    bundle = load_bundle(bundle_dir)

    def without(*parcels: int):
        cleaned = np.array(scan.signals.cleaned)
        matrix = np.array(scan.connectome.matrix)
        cleaned[:, parcels] = np.nan
        matrix[list(parcels)] = np.nan
        matrix[:, list(parcels)] = np.nan
        return replace(
            scan,
            signals=replace(scan.signals, cleaned=cleaned),
            connectome=replace(scan.connectome, matrix=matrix),
        ).asked(bundle)

    assert without(0, 3).probability is not None
    assert "3 parcels are not covered" in without(0, 3, 5).reasons[0]
    assert any("network C" in reason for reason in without(5, 7, 8, 11).reasons)


def test_that_a_stranger_is_withheld_and_says_how_far_it_is(tmp_path, scan):
    bundle = load_bundle(write_mini(tmp_path / "narrow", novelty_reach=0.01))
    answer = scan.asked(bundle)
    assert answer.outcome is Outcome.WITHHELD
    assert answer.probability is None
    assert answer.novelty.percentile == pytest.approx(99.0)  # never beyond 1 - 1/(n + 1)
    assert "unlike" in answer.reasons[0]


def test_that_a_scan_that_gets_no_number_still_says_how_far_it_is(tmp_path, scan):
    poor = replace(scan, quality=replace(scan.quality, verdict=Verdict.WITHHELD))
    for asked in (poor, mini_scan(simulated=False)):
        near = asked.asked(load_bundle(write_mini(tmp_path / "near")))
        far = asked.asked(load_bundle(write_mini(tmp_path / "narrow", novelty_reach=0.01)))
        assert near.outcome is far.outcome is Outcome.WITHHELD
        assert near.novelty.verdict is Verdict.PASS
        assert far.novelty.percentile == pytest.approx(99.0)
        assert "unlike" in far.reasons[-1]
        assert "unlike" not in " ".join(near.reasons)
        assert all(getattr(far, name) is None for name in NUMBERS)
    another = replace(scan, signals=replace(scan.signals, preset="band-pass"))
    assert another.asked(load_bundle(tmp_path / "near")).novelty is None  # cannot be compared


def test_that_an_interval_over_the_cutoff_is_inconclusive_and_shown(tmp_path, scan):
    bundle = load_bundle(write_mini(tmp_path / "flat", head_scale=0.01))
    answer = scan.asked(bundle)
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert answer.probability is not None


def test_that_unknown_covariates_are_not_guessed(bundle_dir, scan):
    unknown = replace(
        scan, participant=replace(scan.participant, age_years=None, sex=None, baseline_pain=None)
    )
    bundle = load_bundle(bundle_dir)
    assert unknown.asked(bundle).covariate_probability is None
    assert 0 < scan.asked(bundle).covariate_probability < 1


def test_that_a_cancel_takes_hold(bundle_dir, scan):
    with pytest.raises(CancelledError):
        scan.asked(load_bundle(bundle_dir), progress=Progress(cancelled=lambda: True))


def test_that_the_differentiable_model_gives_the_same_log_odds(bundle_dir, scan):
    bundle = load_bundle(bundle_dir)
    model = bundle.differentiable(scan.signals, scan.connectome)
    answer = scan.asked(bundle)
    with torch.no_grad():
        series = float(model.series_log_odds(model.series))
        matrix = float(model.connectivity_log_odds(model.correlation))
        recomputed = model.correlation_of(model.series)
    assert series == pytest.approx(answer.contributions["series"], abs=1e-5)
    assert matrix == pytest.approx(answer.contributions["connectivity"], abs=1e-5)
    np.testing.assert_allclose(recomputed, scan.connectome.matrix, atol=1e-5)
    assert model.references.shape == (2, 57, 12)  # 44 stored frames, mirrored in time
    np.testing.assert_array_equal(model.references[:, 44], model.references[:, 42])


def _tamper(folder, change):
    with (folder / "card.toml").open("rb") as handle:
        card = tomllib.load(handle)
    tensors = load_file(folder / "weights.safetensors")
    change(card, tensors)
    return card, tensors


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c, t: t.pop("head.bias"), "model.keys"),
        (lambda c, t: t.update({"stowaway": torch.zeros(1)}), "model.keys"),
        (lambda c, t: t.update({"head.series": torch.zeros(25)}), "model.shape"),
        (lambda c, t: t["head.series"].fill_(float("nan")), "model.not_finite"),
        (lambda c, t: c["encoder"]["config"].update(hidden_size=6), "model.shape"),
    ],
)
def test_that_a_bundle_that_does_not_fit_its_card_is_refused(bundle_dir, change, code):
    card, tensors = _tamper(bundle_dir, change)
    save_file(tensors, str(bundle_dir / "weights.safetensors"))
    from app.core.provenance import file_sha256

    card["weights"]["sha256"] = file_sha256(bundle_dir / "weights.safetensors")
    (bundle_dir / "card.toml").write_text(tomli_w.dumps(card))
    with pytest.raises(ModelError) as caught:
        load_bundle(bundle_dir)
    assert caught.value.code == code


def test_that_one_changed_byte_is_refused(bundle_dir):
    path = bundle_dir / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_bundle(bundle_dir)
    assert caught.value.code == "model.hash"


def test_that_a_wrong_canary_is_refused(bundle_dir):
    card, _ = _tamper(bundle_dir, lambda c, t: c["canary"].update(log_odds=9.0))
    (bundle_dir / "card.toml").write_text(tomli_w.dumps(card))
    with pytest.raises(ModelError) as caught:
        load_bundle(bundle_dir)
    assert caught.value.code == "model.canary"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "model.damaged"),
        (b"", "model.damaged"),
        (b"\xff" * 64, "model.damaged"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00[]", "model.damaged"),
    ],
)
def test_that_files_that_are_no_weights_are_refused(bundle_dir, content, code):
    card, _ = _tamper(bundle_dir, lambda c, t: None)
    (bundle_dir / "weights.safetensors").write_bytes(content)
    from app.core.provenance import file_sha256

    card["weights"]["sha256"] = file_sha256(bundle_dir / "weights.safetensors")
    (bundle_dir / "card.toml").write_text(tomli_w.dumps(card))
    with pytest.raises(ModelError) as caught:
        load_bundle(bundle_dir)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["not toml [", "format = 2", "format = 1"])
def test_that_a_bad_card_is_refused(bundle_dir, text):
    (bundle_dir / "card.toml").write_text(text)
    with pytest.raises(ModelError) as caught:
        load_bundle(bundle_dir)
    assert caught.value.code == "model.card"


def test_that_an_unknown_model_is_named():
    with pytest.raises(ModelError, match="nobody") as caught:
        load_bundle("nobody")
    assert caught.value.code == "model.missing"


def test_that_a_good_bundle_survives_storing_again(bundle_dir):
    card, tensors = _tamper(bundle_dir, lambda c, t: None)
    store_mini(bundle_dir, card, tensors)
    assert load_bundle(bundle_dir).weights_sha256 == card["weights"]["sha256"]
