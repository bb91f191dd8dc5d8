"""The demonstration model's card, format 2: what is said of it, and the figures it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from app.cohort.calibration import calibrated
from app.cohort.demo_settings import MODEL_ID, REPETITION_TIME_S, DemoSettings
from app.cohort.evaluation import Evaluated, score_histogram
from app.cohort.features import FeatureExtractor
from app.cohort.learn.conformal import coverage_interval
from app.cohort.metrics import auroc, bootstrap_interval
from app.cohort.novelty import NoveltyFit, stopped
from app.cohort.prepared import PreparedParticipant
from app.cohort.training import Head
from app.connectome.atlases import Atlas
from app.core.arrays import Floats
from app.core.provenance import array_sha256, software_versions
from app.models.card import FORMAT, sha256_of_names
from app.models.conformal_set import thresholds_of_histogram
from app.models.fmm_tc import ENCODER as ENCODER_PREFIX
from app.models.installed import WEIGHTS_FILE
from app.simulation.outcome import SIMULATED_ARM, SIMULATED_TIME_POINT

TIME_POINT = SIMULATED_TIME_POINT
SIMULATED_AGES_YEARS = (20.0, 88.0)  # the simulator draws nobody outside
# Tables of the card that hold words only.
WORDS: dict[str, dict[str, Any]] = {
    "treatment": {
        "drug": "Simulated treatment X",
        "dose": "none",
        "route": "none",
        "arm": SIMULATED_ARM,
        "comparator": "none",
        "control_arm_modelled": False,
    },
    "responder": {
        "text": f">= 30 % reduction of simulated pain rating at {TIME_POINT}",
        "scale": "simulated pain rating, 0 to 10",
        "direction": "decrease",
        "threshold": 30.0,
        "unit": "percent",
        "time_point": TIME_POINT,
    },
    "estimand": {
        "statement": f"Response to simulated treatment X at {TIME_POINT}, as the simulator drew it",
        "rescue_medication": "none is simulated",
        "drop_out": "nobody drops out of the simulation",
    },
    "references": {
        "kind": "simulated_individuals",
        "text": "series of simulated training people, who are nobody; attributions start from them",
    },
    "uncertainty": {
        "method": "2.5 to 97.5 % of models refitted on resampled training people, calibration "
        "included, over all windows",
    },
    "reproducibility": {
        "statement": "On the CPU the same scan gives the same bits at any number of threads. "
        "A graphics card may compute several windows at a time and adds in another order; where "
        "it would move a probability by more than the tolerance, the CPU is used.",
        "probability_tolerance": 1e-5,
    },
}
LIMITATIONS = (
    "Made from simulated people only; says nothing about any person",
    "No control arm: cannot separate treatment from placebo or natural course",
    "Tested on simulated people of the same simulator; no external test",
    "Probabilities of small cohorts are uncertain: most answers are inconclusive",
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything a bundle is written from."""

    settings: DemoSettings
    extractor: FeatureExtractor
    atlas: Atlas
    cohort_training: tuple[PreparedParticipant, ...]
    cohort_held_out: tuple[PreparedParticipant, ...]
    results: Mapping[str, Evaluated]
    heads: tuple[Head, ...]
    health: Mapping[str, Floats]  # of `health_arrays`
    null: Mapping[str, float | list[float]]
    novelty: NoveltyFit
    novelty_features: Floats  # (training then held-out person, feature)
    mean_correlation: Floats
    pretraining_history: tuple[tuple[int, float], ...]
    covariate_names: tuple[str, ...]

    @property
    def sites(self) -> list[str]:
        """Sites of the training people, sorted."""
        return sorted({person.site for person in self.cohort_training})


def bundle_card(
    fitted: Fitted,
    tensors: Mapping[str, Tensor],
    weights_sha256: str,
    canary_values: Mapping[str, float],
) -> dict[str, Any]:
    """The whole card as plain values, in the order in which it is written."""
    settings = fitted.settings
    fused = fitted.results["fused"]
    labels = np.array([person.responder for person in fitted.cohort_held_out])
    edges, responders, others = score_histogram(fused.held_out_probability, labels)
    return {
        "format": FORMAT,
        "model": identity(),
        "treatment": WORDS["treatment"],
        "responder": WORDS["responder"],
        "estimand": WORDS["estimand"],
        "population": population(),
        "training": _training(fitted, labels),
        "protocol": protocol(settings),
        "contract": contract(fitted.atlas, settings, _window(fitted)),
        "encoder": encoder(settings, fitted.extractor.encoder.config.as_mapping(), tensors)
        | {
            "pretraining_validation_loss": [
                {"step": float(step), "loss": loss} for step, loss in fitted.pretraining_history
            ]
        },
        "sizes": {
            "networks": fitted.extractor.network_count,
            "bootstrap_heads": len(fitted.heads),
            "references": settings.reference_count,
            "reference_frames": min(len(p.cleaned) for p in fitted.cohort_training),
            "novelty_features": fitted.novelty_features.shape[1],
            "novelty_quantiles": len(fitted.novelty.quantiles),
            "shuffled_heads": len(fitted.health["shuffled.bias"]),
        },
        "calibration": {"method": "Platt, out-of-fold", **asdict(fused.calibration)},
        "uncertainty": WORDS["uncertainty"],
        "covariates": {"names": list(fitted.covariate_names), "required": []},
        "novelty": {
            "method": "Ledoit-Wolf Mahalanobis, leave-one-out percentiles",
            "limit_percentile": settings.novelty_limit,
            "held_out_share_beyond_limit": float(np.mean(_beyond(fitted))),
        },
        "conformal": conformal_table(
            edges.tolist(), responders.tolist(), others.tolist(), settings.conformal_level
        ),
        "references": WORDS["references"],
        "metrics": {name: one.figures for name, one in fitted.results.items()}
        | {"null_cohort": dict(fitted.null), "oracle": _oracle(fitted)},
        "histogram": {
            "edges": edges.tolist(),
            "responder": responders.tolist(),
            "non_responder": others.tolist(),
        },
        "golden": _golden(fitted),
        "seeds": {k: v for k, v in asdict(settings).items() if k.endswith("seed")},
        "weights": {"file": WEIGHTS_FILE, "sha256": weights_sha256},
        "canary": dict(canary_values) | {"tolerance": 1e-3},
        "reproducibility": WORDS["reproducibility"],
        "versions": software_versions(),
    }


def identity() -> dict[str, Any]:
    """Table [model]."""
    return {
        "id": MODEL_ID,
        "architecture": "fmm-tc-network-statistics",
        "mode": "corrected",
        "simulated": True,
        "use": "Research use only - not for treatment decisions",
        "licence": "Apache-2.0",
        "limitations": list(LIMITATIONS),
    }


def population() -> dict[str, Any]:
    """Table [population]."""
    return {
        "description": "simulated people with simulated neuropathic pain",
        "age_range_years": list(SIMULATED_AGES_YEARS),
    }


def protocol(settings: DemoSettings) -> dict[str, Any]:
    """Table [protocol]."""
    return {
        "description": f"strengths chosen in {settings.inner_folds} inner folds, "
        f"{settings.outer_folds} outer folds within the training people; held-out people scored "
        "by the model fitted on all training people; intervals by bootstrap over people",
        "split": "by person, in the order of their identifiers",
        "cutoff": settings.cutoff,
        "cutoff_source": "pre-registered",
        "headline": "fused",
        "rival": "covariates_only",
    }


def contract(atlas: Atlas, settings: DemoSettings, window_frames: int) -> dict[str, Any]:
    """Table [contract]."""
    return {
        "atlas": atlas.name,
        "atlas_sha256": atlas.sha256,
        "parcel_count": len(atlas.parcel_names),
        "parcel_order_sha256": sha256_of_names(atlas.parcel_names),
        "template": atlas.template,
        "preset": "simple-highpass",
        "tasks": ["rest"],
        "repetition_time_policy": "frames",
        "repetition_time_s": REPETITION_TIME_S,
        "repetition_time_tolerance_s": 0.01,
        "window_frames": window_frames,
        "minimum_frames": window_frames,
        "window_rule": "half overlapping, last flush right, mean log-odds",
        "normalisation": "percent_scaled",
        "normalisation_origin": "one constant, typical spread of the training people's series",
        "series_scale_percent": settings.series_scale_percent,
        "connectivity_kind": "pearson",
        "connectivity": "pearson, good frames, Fisher z of network means",
        "maximum_missing_parcels": len(atlas.parcel_names) // 10,
    }


def encoder(
    settings: DemoSettings, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Table [encoder]."""
    own = [tensors[key] for key in sorted(tensors) if key.startswith(ENCODER_PREFIX)]
    return {
        "name": "simulated-demo encoder",
        "family": "BrainLM 13M",
        "sha256": array_sha256(*(tensor.numpy() for tensor in own)),
        "source": "bundled",
        "licence": "Apache-2.0",
        "token_order": "identity",
        "permutations": 1,
        "cls_layer": "none: patch tokens after the final LayerNorm",
        "features": "log variance over patches of every token dimension, network means, after "
        "the final LayerNorm",
        "config": dict(config),
        "pretraining": asdict(settings.pretraining),
    }


def golden_indices(fitted: Fitted) -> list[int]:
    """The first two held-out people that get a number."""
    return [index for index, beyond in enumerate(_beyond(fitted)) if not beyond][:2]


def conformal_table(
    edges: Sequence[float], responder: Sequence[float], non_responder: Sequence[float], level: float
) -> dict[str, Any]:
    """Table [conformal], from the table [histogram] of held-out probabilities alone."""
    low, high = thresholds_of_histogram(edges, responder, non_responder, level)
    counts = int(sum(responder)), int(sum(non_responder))
    return {
        "level": level,
        "responder_from": round(low, 6),
        "non_responder_to": round(high, 6),
        "calibration_responders": counts[0],
        "calibration_non_responders": counts[1],
        "coverage_range": coverage_interval(min(counts), level),
        "source": "held-out probabilities as the histogram counts them, rounded outwards to its "
        "bins",
    }


def _window(fitted: Fitted) -> int:
    return fitted.extractor.encoder.config.num_timepoints_per_voxel


def _training(fitted: Fitted, held_out_labels: Any) -> dict[str, Any]:
    people = fitted.cohort_training
    return {
        "count": len(people),
        "responders": sum(person.responder for person in people),
        "held_out_count": len(fitted.cohort_held_out),
        "held_out_responders": int(held_out_labels.sum()),
        "sites": [
            {"name": site, "count": sum(person.site == site for person in people)}
            for site in fitted.sites
        ],
        "external_test": "none",
    }


def _beyond(fitted: Fitted) -> list[bool]:
    """Which held-out people lie beyond the novelty limit and get no number."""
    training = len(fitted.cohort_training)
    limit = fitted.settings.novelty_limit
    newcomers = fitted.novelty_features[training:]
    return [stopped(fitted.novelty, row, training, limit) for row in newcomers]


def _oracle(fitted: Fitted) -> dict[str, Any]:
    """True traits of the held-out people: the ceiling."""
    scores = np.array([person.oracle for person in fitted.cohort_held_out])
    labels = np.array([person.responder for person in fitted.cohort_held_out])
    low, high = bootstrap_interval(auroc, scores, labels, seed=fitted.settings.fold_seed)
    return {"auroc": auroc(scores, labels), "auroc_interval": [low, high]}


def _golden(fitted: Fitted) -> list[dict[str, Any]]:
    """Two held-out scores that the test suite reproduces."""
    fused = fitted.results["fused"]
    rows = []
    for index in golden_indices(fitted):
        score = fused.held_out_log_odds[index]
        rows.append(
            {
                "participant": fitted.cohort_held_out[index].identifier,
                "scan_sha256": fitted.cohort_held_out[index].scan_sha256,
                "log_odds": float(score),
                "probability": float(calibrated(fused.calibration, np.array([score]))[0]),
            }
        )
    return rows
