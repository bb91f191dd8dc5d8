"""Every field of a card, mutated: refused with the field's name, or known to be free."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from app.core.errors import ModelError
from app.core.resources import model_weights_path
from app.models.card import parse_card, read_card
from tests.unit.models.conftest import mini_card

Path_ = tuple[str | int, ...]
DEMO = tomllib.loads((model_weights_path() / "simulated-demo" / "card.toml").read_text())
# Tables whose keys a card may choose itself.
FREE_KEYS = ("metrics", "attribution_truth", "seeds", "versions", "sizes")
FREE_TABLES = ("encoder.config", "encoder.pretraining", "encoder.pretraining_validation_loss")
OPTIONAL = {"encoder.permutations", "golden", "attribution_truth", "sizes", "encoder"}
WRONG_KINDS: tuple[Any, ...] = ({"a": 1}, [["x"]], True)


def full_card() -> dict[str, Any]:
    card = mini_card()
    card["contract"]["quality_limits"] = {"mean_fd_power_mm": [0.2, 0.4]}
    card["golden"] = [
        {"participant": "p", "scan_sha256": "b" * 64, "log_odds": 0.1, "probability": 0.5}
    ]
    card["attribution_truth"] = {"branches": {"series_parcels": 0.9}}
    return card


def leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every field that is no table."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def parent(card: Any, path: Path_) -> Any:
    for step in path[:-1]:
        card = card[step]
    return card


def dotted(path: Path_) -> str:
    return ".".join(str(step) for step in path)


def is_free(path: Path_) -> bool:
    return path[0] in FREE_KEYS or dotted(path).startswith(FREE_TABLES)


def told(card: dict[str, Any]) -> str:
    """The one sentence with which a card is refused; "" if it is not."""
    try:
        parse_card(tomli_w.dumps(card).encode())
    except ModelError as fault:
        error = fault
    else:
        return ""
    assert error.code == "model.card"
    assert error.hint
    assert "\n" not in error.message
    return error.message


LEAVES = sorted(leaves(full_card()), key=dotted)
FIXED = [path for path in LEAVES if not is_free(path)]


@pytest.fixture
def card() -> dict[str, Any]:
    return full_card()


def test_that_the_card_of_these_tests_is_good(card: dict[str, Any]) -> None:
    assert told(card) == ""
    assert len(FIXED) > 70


# One test a mutation over all fields: hundreds of tests of their own would take longer to set up
# than to run. `told` names the field that failed.


def test_that_a_missing_field_is_named() -> None:
    for path in FIXED:
        card, name = full_card(), dotted(path)
        del parent(card, path)[path[-1]]
        free = name in OPTIONAL or path[:2] == ("contract", "quality_limits")
        if free or (name.startswith("training.sites") and name.endswith("count")):
            assert told(card) == "", name  # a simulated cohort need not count its sites
        else:
            words = "no format" if name == "format" else f"{name} is missing"
            assert words in told(card), name


def test_that_a_misspelt_field_is_named_with_the_nearest() -> None:
    for path in FIXED:
        if path[:2] == ("contract", "quality_limits"):
            continue  # names of metrics are judged against the quality report
        card, name = full_card(), str(path[-1])
        table = parent(card, path)
        table[name + "x"] = table[name]
        words = told(card)
        assert f"{dotted(path)}x is unknown" in words, name
        assert f"(did you mean {name}?)" in words, name


def test_that_a_wrong_kind_of_value_is_refused() -> None:
    for path in LEAVES:
        whole = dotted(path)
        if whole.startswith(FREE_TABLES):
            continue
        for wrong in WRONG_KINDS:
            card = full_card()
            if type(parent(card, path)[path[-1]]) is type(wrong):
                continue
            parent(card, path)[path[-1]] = wrong
            deeper = path[0] == "attribution_truth" or whole == "metrics.gain_over_covariates.auroc"
            if isinstance(wrong, dict) and deeper:
                continue  # deeper tables of figures are allowed
            assert told(card), f"{whole} = {wrong!r}"


def test_that_a_number_must_be_finite() -> None:
    for path in LEAVES:
        for wrong in (math.nan, math.inf, -math.inf):
            card = full_card()
            table = parent(card, path)
            old = table[path[-1]]
            values = old if isinstance(old, list) else [old]
            if not values or not all(isinstance(value, float) for value in values):
                continue
            table[path[-1]] = [wrong, *old[1:]] if isinstance(old, list) else wrong
            assert str(path[-1]) in told(card), dotted(path)


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("model.id", "../up", "model.id"),
        ("model.id", "con", "Windows"),
        ("model.id", "UPPER", "model.id"),
        ("model.mode", "magic", "model.mode"),
        ("model.use", "For the clinic", "Research use only"),
        ("model.limitations", [], "model.limitations"),
        ("model.limitations", ["\u202eevil"], "invisible"),
        ("model.licence", "  ", "empty"),
        ("model.licence", "x" * 2001, "longer"),
        ("treatment.control_arm_modelled", True, "treatment.comparator"),
        ("responder.direction", "sideways", "responder.direction"),
        ("responder.direction", "below", "absolute"),
        ("responder.threshold", 0.0, "percent"),
        ("responder.threshold", 101.0, "percent"),
        ("population.age_range_years", [80.0, 20.0], "order"),
        ("population.age_range_years", [20.0], "two numbers"),
        ("population.age_range_years", [-1.0, 20.0], "0..120"),
        ("training.count", 98, "sites hold 99"),
        ("training.count", 1, "training.count"),
        ("training.responders", 99, "both classes"),
        ("training.responders", -1, "training.responders"),
        ("training.held_out_responders", 8, "held_out"),
        ("training.held_out_count", 9, "histogram"),
        ("training.sites", [], "training.sites"),
        ("protocol.cutoff", 1.2, "protocol.cutoff"),
        ("protocol.cutoff_source", "guess", "protocol.cutoff_source"),
        ("protocol.headline", "other", "metrics"),
        ("protocol.rival", "other", "metrics"),
        ("contract.atlas_sha256", "xyz", "SHA-256"),
        ("contract.parcel_count", 1, "contract.parcel_count"),
        ("contract.repetition_time_policy", "guess", "repetition_time_policy"),
        ("contract.repetition_time_s", 0.0, "repetition_time_s"),
        ("contract.repetition_time_s", 2000.0, "repetition_time_s"),
        ("contract.repetition_time_tolerance_s", 2.5, "tolerance"),
        ("contract.window_frames", 0, "window_frames"),
        ("contract.minimum_frames", 39, "contract.minimum_frames is below"),
        ("contract.series_scale_percent", 0.0, "series_scale_percent"),
        ("contract.maximum_missing_parcels", 12, "maximum_missing_parcels"),
        ("contract.quality_limits", {"x": [1.0]}, "quality_limits.x"),
        ("encoder.source", "copied", "encoder.source"),
        ("encoder.token_order", "random", "encoder.token_order"),
        ("encoder.permutations", 0, "encoder.permutations"),
        ("calibration.slope", -1.0, "calibration.slope"),
        ("covariates.names", ["age_years", "age_years"], "twice"),
        ("covariates.names", ["pain_after"], "covariates.names"),
        ("covariates.required", ["site"], "covariates.required"),
        ("novelty.limit_percentile", 101.0, "limit_percentile"),
        ("novelty.held_out_share_beyond_limit", 1.1, "held_out_share"),
        ("references.kind", "people", "references.kind"),
        ("metrics.fused.auroc", 1.4, "metrics"),
        ("metrics.fused.auroc", "good", "metrics"),
        ("metrics.fused.auroc_interval", [0.8, 0.6], "low before high"),
        ("metrics.fused.auroc_interval", [0.71, 0.8], "its own value"),
        ("metrics.fused.mcc", -1.1, "mcc"),
        ("metrics.fused.brier", 1.1, "brier"),
        ("metrics.gain_over_covariates.auroc_interval", [0.3, 0.1], "low before high"),
        ("metrics.gain_over_covariates.auroc", -1.2, "metrics"),
        ("metrics.fused", 3, "table of figures"),
        ("metrics.deep", {"a": {"b": {"c": {"d": {"e": 1}}}}}, "too deeply"),
        ("attribution_truth.branches.series_parcels", True, "attribution_truth"),
        ("histogram.edges", [0.0, 1.0, 0.5], "rise"),
        ("histogram.edges", [0.0, 1.0], "one count a bin"),
        ("histogram.responder", [1.5, 1.5], "whole numbers"),
        ("golden.0.probability", 1.5, "golden.0.probability"),
        ("sizes.networks", -1, "sizes.networks"),
        ("seeds.seed", 1.5, "seeds.seed"),
        ("weights.file", "../w.safetensors", "weights.file"),
        ("weights.sha256", "A" * 64, "SHA-256"),
        ("canary.tolerance", 0.1, "canary.tolerance"),
        ("reproducibility.probability_tolerance", 0.5, "probability_tolerance"),
        ("versions.neuroresponder", 1, "versions.neuroresponder"),
        ("format", 1, "format 1"),
        ("format", True, "format True"),
        ("format", "2", "format 2"),
    ],
)
def test_that_a_wrong_value_is_refused_by_name(
    card: dict[str, Any], field: str, wrong: Any, words: str
) -> None:
    path = [int(step) if step.isdigit() else step for step in field.split(".")]
    parent(card, tuple(path))[path[-1]] = wrong
    assert words in told(card)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"references.kind": "individuals"}, "references.kind"),
        ({"references.kind": "simulated_individuals"}, "references.kind"),
        ({"golden": [full_card()["golden"][0]]}, "golden"),
        ({"training.sites": [{"name": "a"}, {"name": "b", "count": 49}]}, "'a' must state"),
        (
            {"training.sites": [{"name": "a", "count": 95}, {"name": "b", "count": 4}]},
            "pool smaller sites",
        ),
        ({"sizes.novelty_quantiles": 99}, "novelty_quantiles"),
    ],
)
def test_that_a_bundle_made_from_people_carries_nobody(
    card: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    card["model"]["simulated"] = False
    card["references"]["kind"] = "group_statistics"
    del card["golden"]
    assert told(card) == ""
    for field, value in change.items():
        path = tuple(field.split("."))
        parent(card, path)[path[-1]] = value
    assert words in told(card)


def test_that_many_faults_are_told_at_once_and_counted(card: dict[str, Any]) -> None:
    for table in ("model", "treatment", "responder", "estimand", "population"):
        del card[table]
    assert "model is missing; treatment is missing; responder is missing; and 2 more" in told(card)


def test_that_further_tables_of_figures_are_allowed(card: dict[str, Any]) -> None:
    card["metrics"]["per_site"] = {"site-1": {"auroc": 0.6, "auroc_interval": [0.5, 0.7]}}
    card["metrics"]["gain_of_fusion"] = {"auroc": -0.01, "auroc_interval": [-0.1, 0.1]}
    card["attribution_truth"]["scan"] = {"suppressor_share_series": 1.7, "repeats": 200}
    assert told(card) == ""


def test_that_the_delivered_card_is_format_2_and_says_what_format_1_did(tmp_path: Path) -> None:
    card = read_card(model_weights_path() / "simulated-demo")
    assert card.fields.format == 2
    assert card.summary.training_count == 79
    assert card.summary.base_rate == pytest.approx(35 / 79)
    assert card.summary.weights_sha256.startswith("81becbfd9a855f25")
    assert card.fields.references.kind == "simulated_individuals"
    assert not card.summary.control_arm_modelled


def test_that_no_field_of_the_delivered_card_may_be_nonsense() -> None:
    for path in leaves(DEMO):
        card = copy.deepcopy(DEMO)
        parent(card, path)[path[-1]] = {"nonsense": [[]]}
        if not dotted(path).startswith(FREE_TABLES):
            assert told(card), dotted(path)
