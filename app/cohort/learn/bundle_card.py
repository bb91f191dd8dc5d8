"""The card of a model trained on a labelled cohort: everything from plan and evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.cohort.calibration import WORDS
from app.cohort.learn.comparison import best_covariate_rival
from app.cohort.learn.conformal import conformal_scores, coverage_interval
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.primary_words import change_table
from app.connectome.atlases import Atlas
from app.core.arrays import Bools, Floats
from app.core.provenance import software_versions
from app.core.wording import counted
from app.models.card import FORMAT, Calibration, sha256_of_names
from app.models.card_schema import FEWEST_AT_A_SITE
from app.models.earned import GATE_TABLE
from app.models.installed import WEIGHTS_FILE

POOLED = "pooled sites"
BASE_RATE = "majority"
BINS = 10
FEW_REFITS = 20  # below, percentiles are little more than the extremes


@dataclass(frozen=True, slots=True)
class Made:
    """What training made, beside the evaluation."""

    model_id: str
    architecture: str
    atlas: Atlas
    calibration: Calibration
    contract: Mapping[str, Any]  # window, normalisation, scale, policy, missing parcels
    encoder: Mapping[str, Any] | None
    sizes: Mapping[str, int]
    log_odds_sd: float | None  # of whole refits, where no heads were refitted
    whole_refits: int
    covariates: tuple[str, ...]
    beyond_limit: float  # share of training people beyond the novelty limit, leave-one-out
    novelty_limit: float
    licence: str = "not stated; the bundle's makers decide"


def card_values(evaluation: Evaluation, made: Made) -> dict[str, Any]:
    """The whole card as plain values, hashes and canary to be filled in."""
    cohort = evaluation.cohort
    plan, figures = cohort.plan, evaluation.figures
    probability = evaluation.headline.scores.probability.mean(axis=0)
    rival = best_covariate_rival(evaluation) or BASE_RATE
    edges = np.linspace(0.0, 1.0, BINS + 1)
    # a fixed name inside the limits of [0, 1]: a mean may exceed 1 by rounding
    in_bins = [np.histogram(np.clip(probability[one], 0, 1), edges)[0] for one in (
        cohort.labels, ~cohort.labels)]  # fmt: skip
    card: dict[str, Any] = {
        "format": FORMAT,
        "model": {
            "id": made.model_id,
            "architecture": made.architecture,
            "mode": "corrected",
            "simulated": cohort.simulated,
            "use": "Research use only - not for treatment decisions",
            "licence": made.licence,
            "limitations": limitations(
                evaluation, made.sizes.get("refits", 0), made.whole_refits
            ),
        },
        "treatment": plan.treatment.model_dump(mode="json"),
        "responder": plan.card_responder().model_dump(mode="json"),
        "estimand": plan.estimand.model_dump(mode="json"),
        "population": plan.population.model_dump(mode="json"),
        "training": {
            "count": len(cohort),
            "responders": int(cohort.labels.sum()),
            "held_out_count": len(cohort),
            "held_out_responders": int(cohort.labels.sum()),
            "sites": [{"name": name, "count": count} for name, count in pooled_sites(
                cohort.sites).items()],
            "external_test": "none",
        },
        "protocol": {
            "description": _description(evaluation),
            "split": "by person, stratified by label and site, shuffled; every figure from people "
            "whom the scoring model did not see",
            "cutoff": plan.protocol.cutoff,
            "cutoff_source": "pre-registered",
            "headline": table_name(evaluation.headline.id),
            "rival": table_name(rival),
        },
        "contract": _contract(evaluation, made),
        "sizes": dict(made.sizes),
        "calibration": {
            "method": f"{WORDS[plan.protocol.calibration]}, out-of-fold log-odds of all repeats",
            "slope": made.calibration.slope,
            "intercept": made.calibration.intercept,
        },
        "uncertainty": _uncertainty(made),
        "covariates": {"names": list(made.covariates), "required": []},
        "novelty": {
            "method": "one Ledoit-Wolf Mahalanobis distance over several depths, leave-one-out "
            "percentiles",
            "limit_percentile": made.novelty_limit,
            "held_out_share_beyond_limit": made.beyond_limit,
        },
        "conformal": conformal_fields(
            probability, cohort.labels, figures["conformal"]["level"],
            "out-of-fold probabilities, mean over "
            + counted(evaluation.splits.repeats, "repeat", "repeats"),
        ),
        "references": {"kind": "none", "text": "no series of anyone; zeros and the mean matrix"},
        "metrics": metrics(evaluation, rival),
        "histogram": {
            "edges": [float(edge) for edge in edges],
            "responder": [float(v) for v in in_bins[0]],
            "non_responder": [float(v) for v in in_bins[1]],
        },
        "seeds": {"protocol": plan.protocol.seed, "refits": plan.protocol.seed},
        "weights": {"file": WEIGHTS_FILE, "sha256": "0" * 64, "statistics_sha256": "0" * 64},
        "canary": {"log_odds": 0.0, "tolerance": 1e-3},
        "reproducibility": {
            "statement": "On the CPU the same scan gives the same bits.",
            "probability_tolerance": 1e-5,
        },
        "versions": software_versions()
        | {
            "plan_sha256": figures["plan_sha256"],
            "plan_locked_utc": figures["plan_locked_utc"],
            "splits_sha256": evaluation.splits.sha256,
        },
    }  # fmt: skip
    if made.encoder is not None:
        card["encoder"] = dict(made.encoder)
    return card


def metrics(evaluation: Evaluation, rival: str) -> dict[str, Any]:
    """Tables of figures; what could not be computed is left out, never zero."""
    figures, found = evaluation.figures, dict[str, Any]()
    for name, one in figures["models"].items():
        found[table_name(name)] = {
            key: value
            for key, value in one.items()
            if value is not None and (isinstance(value, float) or key.endswith("_interval"))
        }
    if table_name(rival) not in found:
        found[table_name(rival)] = {"auroc": 0.5}
    gain = figures["gain_over_covariates"]
    if gain["auroc"] is not None and gain["auroc_interval"] is not None:
        found["gain_over_covariates"] = {
            "auroc": gain["auroc"], "auroc_interval": gain["auroc_interval"],
            "rival": gain["rival"],
        }  # fmt: skip
    if figures["permutation"]:
        found["permutation"] = {
            "p_value": figures["permutation"]["p_value"],
            "permutations": float(figures["permutation"]["permutations"]),
            "words": figures["permutation"]["words"],
        }
    if figures["withheld"]:
        found[GATE_TABLE] = {"withheld": " ".join(figures["withheld"])}
    if change := change_table(figures):
        found["continuous_outcome"] = change
    found["conformal"] = conformal_table(figures["conformal"])
    return found


def conformal_fields(
    probability: Floats, labels: Bools, level: float, source: str
) -> dict[str, Any]:
    """Table [conformal]: thresholds rounded outwards to whole percent, nobody's own score."""
    scores = conformal_scores(probability, labels, level)
    return {
        "level": level,
        "responder_from": _percent_below(scores.responder_quantile),
        "non_responder_to": round(1.0 - _percent_below(scores.non_responder_quantile), 2),
        "calibration_responders": scores.responders,
        "calibration_non_responders": scores.non_responders,
        "coverage_range": coverage_interval(min(scores.responders, scores.non_responders), level),
        "source": source,
    }


def conformal_table(judged: Mapping[str, Any]) -> dict[str, Any]:
    """How the sets did in the evaluation, each person's from the other folds."""
    low, high = judged["coverage_expected_interval"]
    found = {
        "level": judged["level"],
        "coverage": judged["coverage"],
        "coverage_range": [low, high],
        "share_both": judged["share"]["{both}"],
        "share_empty": judged["share"]["{}"],
    }
    if judged["singletons_right"] is not None:
        found["accuracy_singletons"] = judged["singletons_right"]
    return found


def _percent_below(value: float) -> float:
    return float(np.floor(100.0 * max(value, 0.0)) / 100.0)


def table_name(model: str) -> str:
    """A model's id as the name of a table."""
    return model.replace("-", "_")


def pooled_sites(sites: Sequence[str]) -> dict[str, int]:
    """Sites with their counts; those of fewer than ten people are pooled, into the smallest large
    one where the pool itself would be too small."""
    counts = dict(sorted(Counter(sites).items()))
    large = {name: count for name, count in counts.items() if count >= FEWEST_AT_A_SITE}
    rest = sum(counts.values()) - sum(large.values())
    if not rest:
        return large
    if rest >= FEWEST_AT_A_SITE or not large:
        return large | {POOLED: rest}
    smallest = min(large, key=lambda name: large[name])
    joined = {f"{smallest} and {POOLED}" if name == smallest else name: count
              for name, count in large.items()}  # fmt: skip
    joined[f"{smallest} and {POOLED}"] += rest
    return joined


def site_groups(sites: Sequence[str]) -> list[str]:
    """The pooled site of each row, in words of `pooled_sites`."""
    named = pooled_sites(sites)
    rest = next((name for name in named if name.endswith(POOLED)), "")
    return [name if name in named else rest for name in sites]


def limitations(evaluation: Evaluation, refits: int, spread_of: int = 0) -> list[str]:
    """What a reader must know first.

    Parameters
    ----------
    evaluation
        Judged.
    refits
        Stored in the bundle; 0 where none is.
    spread_of
        Whole models behind one width of the interval; 0 where refits are stored.
    """
    cohort, figures = evaluation.cohort, evaluation.figures
    found = []
    if cohort.simulated:
        found.append("Made from simulated people only; says nothing about any person")
    people = counted(len(set(cohort.identifiers)), "person", "people")
    found.append(f"Trained on {people}; probabilities of small cohorts are uncertain")
    if cohort.own_pain_scale:
        found.append(
            "Pain before treatment was judged on the outcome's own scale, which is no certain 0 to "
            "10: it stands in no covariate-only value of an answer"
        )
    if 0 < refits < FEW_REFITS:
        found.append(f"Intervals come from {refits} refits only")
    if spread_of:
        found.append(
            f"Its 95 % interval is approximate: one width for everybody from {spread_of} refitted "
            "models, not the person's own"
        )
    found.append("Judged by cross-validation on the people it was made from; no external test")
    found.append("No control-arm model: cannot separate treatment from placebo or natural course")
    if cohort.plan.recipe.harmonise != "none":
        found.append("Trained on harmonised features: cannot serve a participant of a new scanner")
    return found + [text for text in figures["flags"] if not text.startswith("The gain")]


def _description(evaluation: Evaluation) -> str:
    protocol = evaluation.cohort.plan.protocol
    return (
        f"nested cross-validation, {protocol.outer_folds} outer and {protocol.inner_folds} inner "
        f"folds, {evaluation.splits.repeats} repeats, everything fitted inside the training "
        f"folds; the delivered model is fitted on everybody; intervals by bootstrap over people; "
        f"plan {evaluation.figures['plan_sha256'][:12]} locked before labels were read, "
        f"{len(evaluation.figures['deviations'])} deviations"
    )


def _uncertainty(made: Made) -> dict[str, Any]:
    if made.log_odds_sd is None:
        return {
            "method": f"2.5 to 97.5 % of {made.sizes['refits']} models refitted on resampled "
            "training people, calibration included"
            + (", each person once" if made.sizes.get("refit_values", 0) else "")
        }
    return {
        "method": f"approximate: 1.96 times the spread of {made.whole_refits} whole models "
        "refitted on resampled training people, the same for everybody, calibration not refitted",
        "log_odds_sd": made.log_odds_sd,
    }


def _contract(evaluation: Evaluation, made: Made) -> dict[str, Any]:
    cohort, atlas = evaluation.cohort, made.atlas
    frames = min(len(one.scan.cleaned) for one in cohort.people)
    window = int(made.contract.get("window_frames", min(100, frames)))
    return {
        "atlas": atlas.name,
        "atlas_sha256": atlas.sha256,
        "parcel_count": len(atlas.parcel_names),
        "parcel_order_sha256": sha256_of_names(atlas.parcel_names),
        "template": atlas.template,
        "preset": cohort.plan.recipe.preset,
        "tasks": ["rest"],
        "repetition_time_policy": made.contract.get("repetition_time_policy", "frames"),
        "repetition_time_s": cohort.repetition_time_s,
        "repetition_time_tolerance_s": 0.01,
        "window_frames": window,
        "minimum_frames": max(window, int(0.8 * frames)),
        "window_rule": "half overlapping, last flush right, mean over windows",
        "normalisation": made.contract.get("normalisation", "percent"),
        "normalisation_origin": made.contract.get("normalisation_origin", "none is applied"),
        "series_scale_percent": float(made.contract.get("series_scale_percent", 1.0)),
        "connectivity_kind": "pearson",
        "connectivity": "pearson over good frames",
        "maximum_missing_parcels": int(made.contract["maximum_missing_parcels"]),
    }
