"""Every field of a card that a scan can contradict, contradicted: withheld with the field's name.

The fields come from the card itself: one that is neither a gate, nor checked at loading, nor
known to be words only fails the first test.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tomli_w

from app.core.errors import ModelError
from app.core.request import Question
from app.core.results import (
    Finding,
    Outcome,
    QualityMetric,
    QualityReport,
    Severity,
    Verdict,
)
from app.models import gates
from app.models.bundle import load_bundle
from app.models.earned import unearned_reason
from tests.unit.models.conftest import MiniScan, mini_scan, write_mini
from tests.unit.models.test_card import dotted, full_card, leaves, parent

Change = Callable[[MiniScan], MiniScan]


def signals(**changes: Any) -> Change:
    return lambda scan: replace(scan, signals=replace(scan.signals, **changes))


def person(**changes: Any) -> Change:
    return lambda scan: replace(scan, participant=replace(scan.participant, **changes))


def fewer_parcels(scan: MiniScan) -> MiniScan:
    one = scan.signals
    return replace(scan, signals=replace(one, cleaned=one.cleaned[:, :-1]))


def swapped_parcels(scan: MiniScan) -> MiniScan:
    names = list(scan.signals.parcel_names)
    names[3], names[4] = names[4], names[3]
    return replace(scan, signals=replace(scan.signals, parcel_names=tuple(names)))


def holes(scan: MiniScan) -> MiniScan:
    cleaned = np.array(scan.signals.cleaned)
    cleaned[:, [0, 3, 5]] = np.nan
    return replace(scan, signals=replace(scan.signals, cleaned=cleaned))


def no_motion(scan: MiniScan) -> MiniScan:
    return replace(scan, signals=replace(scan.signals, confounds={}))


# What a scan can contradict: field -> scans that do.
SCANS: dict[str, list[Change]] = {
    "model.simulated": [lambda scan: mini_scan(simulated=False)],
    "contract.atlas": [signals(atlas="other")],
    "contract.atlas_sha256": [signals(atlas_sha256="b" * 64), signals(atlas_sha256="")],
    "contract.parcel_count": [fewer_parcels],
    "contract.parcel_order_sha256": [swapped_parcels],
    "contract.template": [signals(template="other")],
    "contract.preset": [signals(preset="band-pass")],
    "contract.tasks": [lambda scan: replace(scan, scan=replace(scan.scan, task="nback"))],
    "contract.repetition_time_s": [
        signals(repetition_time_s=value) for value in (0.72, 2.02, 2000.0, 0.0, float("nan"))
    ],
    "contract.minimum_frames": [lambda scan: mini_scan(frames=39)],
    "contract.connectivity_kind": [
        lambda scan: replace(scan, connectome=replace(scan.connectome, kind="partial"))
    ],
    "contract.maximum_missing_parcels": [holes],
    "population.age_range_years": [person(age_years=19.9), person(age_years=80.1)],
}
QUESTIONS = {
    "treatment.drug": Question(drug="duloxetine"),
    "treatment.arm": Question(arm="placebo"),
    "responder.time_point": Question(time_point="week 12"),
    "responder.text": Question(responder_definition=">= 50 % less"),
}
# What the card can demand beyond: field -> value, and a scan that lacks it.
DEMANDS: dict[str, tuple[Any, Change]] = {
    "covariates.required": (["age_years"], person(age_years=None)),
    "contract.quality_limits.mean_fd_power_mm": ([0.2, 0.4], lambda scan: scan),
    "metrics.gain_over_covariates.auroc_interval": ([-0.05, 0.3], lambda scan: scan),
    "metrics.permutation.p_value": (0.2, lambda scan: scan),
}
# Refused when the bundle is loaded: field -> a value that is well-formed and still wrong.
LOADING: dict[str, Any] = {
    "format": 1,
    "model.architecture": "fmm-tc-network-statistic",
    "contract.normalisation": "robust_pop",
    "contract.repetition_time_policy": "physical",
    "encoder.sha256": "b" * 64,
    "weights.sha256": "b" * 64,
    "canary.log_odds": 9.0,
    "sizes.networks": 4,
    "sizes.bootstrap_heads": 29,
    "sizes.references": 3,
    "sizes.reference_frames": 45,
    "sizes.novelty_features": 8,
    "sizes.novelty_quantiles": 12,
    "encoder.config.hidden_size": 6,
    "encoder.config.num_hidden_layers": 2,
    "encoder.config.num_attention_heads": 3,
    "encoder.config.intermediate_size": 13,
    "encoder.config.num_brain_voxels": 13,
    "encoder.config.num_timepoints_per_voxel": 45,
    "encoder.config.timepoint_patching_size": 7,
    "contract.parcel_count": 13,
    "contract.window_frames": 41,
}
# Judged by rules inside the card (`test_card.py`), or words and figures that are only shown.
SHOWN = (
    "model.", "treatment.", "responder.", "estimand.", "population.description", "training.",
    "protocol.", "contract.repetition_time_tolerance_s", "contract.window_rule",
    "contract.normalisation_origin", "contract.series_scale_percent", "contract.connectivity",
    "encoder.", "calibration.", "uncertainty.", "covariates.names", "novelty.", "references.",
    "metrics.", "histogram.", "golden.", "attribution_truth.", "seeds.", "versions.",
    "reproducibility.", "weights.file", "canary.tolerance",
)  # fmt: skip


def rewritten(folder: Path, field: str, value: Any) -> Path:
    card = tomllib.loads((folder / "card.toml").read_text())
    path = tuple(field.split("."))
    place: Any = card
    for step in path[:-1]:
        place = place.setdefault(step, {})
    place[path[-1]] = value
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    return folder


def test_that_every_field_of_a_card_is_decided() -> None:
    known = {*SCANS, *QUESTIONS, *DEMANDS, *LOADING}
    undecided = [
        dotted(path)
        for path in leaves(full_card())
        if dotted(path) not in known and not dotted(path).startswith(SHOWN)
    ]
    assert undecided == []
    for field in {*SCANS, *QUESTIONS}:
        assert parent(full_card(), tuple(field.split(".")))


CASES = [(field, change) for field, changes in SCANS.items() for change in changes]


@pytest.mark.parametrize(("field", "change"), CASES, ids=[field for field, _ in CASES])
def test_that_a_scan_that_contradicts_the_card_is_withheld(
    bundle_dir: Path, scan: MiniScan, field: str, change: Change
) -> None:
    bundle = load_bundle(bundle_dir)
    answer = change(scan).asked(bundle)
    assert answer.outcome is Outcome.WITHHELD
    assert answer.probability is answer.interval is answer.log_odds is None
    reasons = [reason for reason in answer.reasons if reason.startswith("Withheld: ")]
    assert reasons == list(answer.reasons)
    if field == "model.simulated":
        assert reasons == ["Withheld: no model trained on people is installed"]
    else:
        assert any(f"({field}" in reason for reason in reasons), reasons
        assert len(reasons) == 1


@pytest.mark.parametrize("field", QUESTIONS)
def test_that_another_question_than_the_models_is_withheld(
    bundle_dir: Path, scan: MiniScan, field: str
) -> None:
    bundle = load_bundle(bundle_dir)
    answer = scan.asked(bundle, question=QUESTIONS[field])
    assert answer.probability is None
    assert f"({field})" in answer.reasons[0]
    assert "Choose a model" in answer.reasons[0]
    same = Question(
        drug="simulated  TREATMENT x", arm="Single arm", time_point="Week 4",
        responder_definition=">= 30 % LESS",
    )  # fmt: skip
    assert scan.asked(bundle, question=same).probability is not None


@pytest.mark.parametrize("field", DEMANDS)
def test_that_what_the_card_demands_must_be_there(
    bundle_dir: Path, scan: MiniScan, field: str
) -> None:
    value, change = DEMANDS[field]
    bundle = load_bundle(rewritten(bundle_dir, field, value))
    answer = change(scan).asked(bundle)
    assert answer.probability is None
    assert field.removesuffix(".mean_fd_power_mm") in answer.reasons[0]
    stamped = change(scan).asked(bundle, research=True)
    assert stamped.research_only
    assert stamped.probability is not None


def test_that_a_limit_of_the_card_that_was_measured_opens_the_gate(
    bundle_dir: Path, scan: MiniScan
) -> None:
    bundle = load_bundle(rewritten(bundle_dir, "contract.quality_limits.fd", [0.2, 0.4]))
    metric = QualityMetric("fd", "Mean FD", 0.1, "mm", "x", "card", Verdict.PASS)
    measured = replace(scan, quality=QualityReport((metric,), Verdict.PASS, "1"))
    assert measured.asked(bundle).probability is not None


def test_that_every_covariate_can_be_required(bundle_dir: Path, scan: MiniScan) -> None:
    names = ["age_years", "sex_female", "mean_fd_mm", "baseline_pain"]
    bundle = load_bundle(rewritten(bundle_dir, "covariates.required", names))
    assert scan.asked(bundle).probability is not None
    unknown = person(age_years=None, sex="O", baseline_pain=None)(no_motion(scan))
    assert len(unknown.asked(bundle).reasons) == 4


@pytest.mark.parametrize("field", LOADING)
def test_that_a_card_that_does_not_fit_its_model_is_not_loaded(
    bundle_dir: Path, field: str
) -> None:
    if field == "contract.window_frames":
        rewritten(bundle_dir, "contract.minimum_frames", LOADING[field])
    with pytest.raises(ModelError) as caught:
        load_bundle(rewritten(bundle_dir, field, LOADING[field]))
    assert caught.value.message
    assert caught.value.hint


def test_that_wrong_order_and_count_compute_nothing_in_research_mode_either(
    bundle_dir: Path, scan: MiniScan
) -> None:
    bundle = load_bundle(bundle_dir)
    for field in ("contract.parcel_count", "contract.parcel_order_sha256",
                  "contract.minimum_frames", "contract.connectivity_kind"):  # fmt: skip
        answer = SCANS[field][0](scan).asked(bundle, research=True)
        assert answer.probability is None
        assert not answer.research_only


def test_that_a_model_made_from_people_refuses_simulated_scans(tmp_path: Path) -> None:
    folder = write_mini(tmp_path / "mini")
    card = tomllib.loads((folder / "card.toml").read_text())
    card["model"]["simulated"] = False
    card["references"]["kind"] = "group_statistics"
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    bundle = load_bundle(folder)
    assert "made from people" in mini_scan(simulated=True).asked(bundle).reasons[0]
    assert mini_scan(simulated=False).asked(bundle).probability is not None


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (None, "states no gain"),
        ((-0.1, 0.2), "includes 0"),
        ((0.0, 0.2), "includes 0"),
        ((-0.2, 0.0), "includes 0"),
        ((-0.3, -0.1), "lies below 0"),
    ],
)
def test_that_a_model_must_earn_the_right_to_a_number(gain: Any, words: str) -> None:
    assert words in unearned_reason(gain)
    assert unearned_reason((0.01, 0.2)) == ""


def test_that_a_gain_without_any_association_earns_nothing_and_a_small_p_alone_neither() -> None:
    assert unearned_reason((0.01, 0.2), 0.05) == ""
    assert "(metrics.permutation.p_value 0.06) did not reach 0.05" in unearned_reason(
        (0.01, 0.2), 0.06
    )
    assert "includes 0" in unearned_reason((-0.01, 0.2), 0.001)


def test_that_what_the_evaluation_found_against_a_model_withholds_whatever_its_gain() -> None:
    found = unearned_reason((0.01, 0.2), None, "The planned test was impossible.")
    assert "The planned test was impossible. So the model shows no individual number" in found
    assert "covariates were known" in unearned_reason(None, None, "covariates were known.")
    assert "includes 0" in unearned_reason((-0.01, 0.2), None, "The planned test was impossible.")


def test_that_strong_motion_is_not_told_as_missing_coverage(bundle_dir: Path) -> None:
    scan, finding = mini_scan(), Finding(
        "scan.too_few_good_frames", Severity.WARNING, "Only 9 of 57 frames are good.", "Repeat it."
    )  # fmt: skip
    empty = replace(
        scan,
        signals=replace(scan.signals, cleaned=np.full_like(scan.signals.cleaned, np.nan)),
        connectome=replace(scan.connectome, matrix=np.full_like(scan.connectome.matrix, np.nan)),
    )
    bundle = load_bundle(bundle_dir)
    assert "12 parcels are not covered" in " ".join(empty.asked(bundle).reasons)
    answer = empty.asked(bundle, findings=(finding,), research=True)
    assert answer.reasons == ("Withheld: Only 9 of 57 frames are good. Repeat it",)
    assert answer.probability is None


def test_that_a_quality_reason_has_a_true_minus_and_single_spaces() -> None:
    metric = QualityMetric(
        "left_right_margin",
        "Left-right test",
        -0.1234,
        "",
        "pass ≥ 0.3, withheld < 0.1",
        "project default",
        Verdict.WITHHELD,
    )
    asked = cast(Any, SimpleNamespace(quality=QualityReport((metric,), Verdict.WITHHELD, "1")))
    card = cast(Any, SimpleNamespace(contract=SimpleNamespace(quality_limits={})))
    assert list(gates._quality(card, asked)) == [
        "Withheld: Left-right test is \N{MINUS SIGN}0.123 (pass ≥ 0.3, withheld < 0.1)"
    ]
