"""Writes a fitted demonstration model as a bundle: `weights.safetensors` and `card.toml`."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.cohort.calibration import calibrated
from app.cohort.demo_settings import MODEL_ID, REPETITION_TIME_S, DemoSettings
from app.cohort.evaluation import Evaluated, score_histogram
from app.cohort.features import FeatureExtractor
from app.cohort.metrics import auroc, bootstrap_interval
from app.cohort.novelty import NoveltyFit, distance
from app.cohort.prepared import PreparedParticipant
from app.cohort.training import Head
from app.connectome.atlases import Atlas
from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.provenance import file_sha256, software_versions
from app.models.bundle import WEIGHTS_FILE, canary
from app.models.card import FORMAT, read_card
from app.models.fmm_tc import ENCODER as ENCODER_PREFIX
from app.models.fmm_tc import FmmTc

MAX_BUNDLE_BYTES = 20 * 1024 * 1024
DRUG = "Simulated treatment X"
RESPONDER = ">= 30 % reduction of simulated pain rating at simulated week 4"
LIMITS = (
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
    null: Mapping[str, float | list[float]]
    novelty: NoveltyFit
    novelty_features: Floats  # (training then held-out person, feature)
    mean_correlation: Floats
    pretraining_history: tuple[tuple[int, float], ...]
    covariate_names: tuple[str, ...]


def write_bundle(fitted: Fitted, bundle_dir: Path) -> Path:
    """Write both files into a sibling folder, check that they load, then put them in place.

    Raises
    ------
    ModelError
        When the bundle would be larger than 20 MB or does not load.
    """
    from safetensors.torch import save_file
    from tomli_w import dump

    bundle_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle_dir.parent, prefix=".making-") as scratch:
        made = Path(scratch)
        tensors = bundle_tensors(fitted)
        save_file(tensors, str(made / WEIGHTS_FILE))
        if (made / WEIGHTS_FILE).stat().st_size > MAX_BUNDLE_BYTES:
            raise ModelError("The bundle is larger than 20 MB.", code="model.too_large")
        card = bundle_card(fitted, file_sha256(made / WEIGHTS_FILE), {"log_odds": 0.0})
        with (made / "card.toml").open("wb") as handle:
            dump(card, handle)
        answer = canary(FmmTc.from_tensors(read_card(made), tensors))
        card["canary"] = {"log_odds": answer, "tolerance": 1e-3}
        with (made / "card.toml").open("wb") as handle:
            dump(card, handle)
        read_card(made)
        bundle_dir.mkdir(exist_ok=True)
        for name in (WEIGHTS_FILE, "card.toml"):
            (made / name).chmod(0o644)
            os.replace(made / name, bundle_dir / name)
    return bundle_dir


def bundle_tensors(fitted: Fitted) -> dict[str, Tensor]:
    """Arrays of the weights file, by key; see `app.models.fmm_tc.expected_shapes`."""
    head, covariates = fitted.results["fused"].head, fitted.results["covariates_only"]
    slope, intercept = covariates.calibration.slope, covariates.calibration.intercept
    training = len(fitted.cohort_training)
    sites = _sites(fitted)
    site_of = np.array([person.site for person in fitted.cohort_training])
    means = [fitted.novelty_features[:training][site_of == site].mean(axis=0) for site in sites]
    arrays: dict[str, Any] = {
        "centroids_mm": fitted.extractor.centroids_mm,
        "mean_correlation": fitted.mean_correlation,
        "head.bias": [head.bias],
        "head.series": head.weights[0],
        "head.series_mean": head.means[0],
        "head.connectivity": head.weights[1],
        "head.connectivity_mean": head.means[1],
        "bootstrap.bias": [one.bias for one in fitted.heads],
        "bootstrap.series": np.stack([one.weights[0] for one in fitted.heads]),
        "bootstrap.connectivity": np.stack([one.weights[1] for one in fitted.heads]),
        "covariates.mean": covariates.head.means[0],
        "covariates.weight": slope * covariates.head.weights[0],
        "covariates.bias": [slope * covariates.head.bias + intercept],
        "novelty.mean": fitted.novelty.mean,
        "novelty.precision": fitted.novelty.precision,
        "novelty.quantiles": fitted.novelty.quantiles,
        "novelty.site_means": np.stack(means),
    }
    tensors = {
        key: torch.from_numpy(np.ascontiguousarray(value, np.float32))
        for key, value in arrays.items()
    }
    for key in ("novelty.mean", "novelty.precision", "novelty.quantiles", "novelty.site_means"):
        tensors[key] = torch.from_numpy(np.ascontiguousarray(arrays[key], np.float64))
    order = np.asarray(fitted.extractor.token_order, np.int32)
    tensors["token_order"] = torch.from_numpy(order)
    networks = np.asarray(fitted.extractor.network_of_parcel, np.int32)
    tensors["network_of_parcel"] = torch.from_numpy(networks)
    tensors["reference.series"] = torch.from_numpy(_references(fitted))
    for key, value in fitted.extractor.encoder.state_dict().items():
        if not key.startswith("decoder."):
            tensors[ENCODER_PREFIX + key] = value.detach().clone().contiguous()
    return tensors


def _sites(fitted: Fitted) -> list[str]:
    return sorted({person.site for person in fitted.cohort_training})


def _references(fitted: Fitted) -> Floats:
    """Series of a few training people, classes alternating, normalised, float16."""
    count = fitted.settings.reference_count
    responders = [p for p in fitted.cohort_training if p.responder]
    others = [p for p in fitted.cohort_training if not p.responder]
    chosen = [
        person
        for pair in zip(responders, others, strict=False)
        for person in pair
        if np.isfinite(person.cleaned).all()
    ][:count]
    frames = min(len(person.cleaned) for person in chosen)
    scaled = [p.cleaned[:frames] / fitted.settings.series_scale_percent for p in chosen]
    return np.stack(scaled).astype(np.float16)


def bundle_card(
    fitted: Fitted, weights_sha256: str, canary_values: Mapping[str, float]
) -> dict[str, Any]:
    """The card as a table of plain values."""
    settings, extractor = fitted.settings, fitted.extractor
    training, held_out = fitted.cohort_training, fitted.cohort_held_out
    fused = fitted.results["fused"]
    labels = np.array([person.responder for person in held_out])
    edges, responders, others = score_histogram(fused.held_out_probability, labels)
    return {
        "format": FORMAT,
        "model": {
            "id": MODEL_ID,
            "mode": "corrected",
            "drug": DRUG,
            "arm": "single arm, simulated",
            "time_point": "simulated week 4",
            "responder_definition": RESPONDER,
            "population": "simulated people with simulated neuropathic pain",
            "simulated": True,
            "training_count": len(training),
            "training_responders": sum(person.responder for person in training),
            "held_out_count": len(held_out),
            "held_out_responders": int(labels.sum()),
            "base_rate": float(np.mean([person.responder for person in training])),
            "cutoff": settings.cutoff,
            "cutoff_source": "pre-registered",
            "limits": list(LIMITS),
            "use": "Research use only - not for treatment decisions",
        },
        "contract": {
            "atlas": fitted.atlas.name,
            "atlas_sha256": fitted.atlas.sha256,
            "template": fitted.atlas.template,
            "parcel_count": len(fitted.atlas.parcel_names),
            "preset": "simple-highpass",
            "repetition_time_s": REPETITION_TIME_S,
            "repetition_time_tolerance_s": 0.01,
            "repetition_time_policy": "frames",
            "window_frames": extractor.encoder.config.num_timepoints_per_voxel,
            "window_rule": "half overlapping, last flush right, mean log-odds",
            "normalisation": "percent_scaled",
            "series_scale_percent": settings.series_scale_percent,
            "connectivity": "pearson, good frames, Fisher z of network means",
            "maximum_missing_parcels": len(fitted.atlas.parcel_names) // 10,
        },
        "encoder": {
            "family": "BrainLM 13M",
            "token_order": "identity",
            "features": "log variance over patches of every token dimension, network means, "
            "after the final LayerNorm",
            "config": extractor.encoder.config.as_mapping(),
            "pretraining": asdict(settings.pretraining),
            "pretraining_validation_loss": [
                {"step": step, "loss": loss} for step, loss in fitted.pretraining_history
            ],
        },
        "sizes": {
            "networks": extractor.network_count,
            "bootstrap_heads": len(fitted.heads),
            "references": settings.reference_count,
            "reference_frames": min(len(p.cleaned) for p in training),
            "novelty_features": fitted.novelty_features.shape[1],
            "novelty_quantiles": len(fitted.novelty.quantiles),
            "sites": len(_sites(fitted)),
        },
        "calibration": {"method": "Platt, out-of-fold", **asdict(fused.calibration)},
        "covariates": {"names": list(fitted.covariate_names)},
        "novelty": {
            "method": "Ledoit-Wolf Mahalanobis, leave-one-out percentiles",
            "limit_percentile": settings.novelty_limit,
            "held_out_share_beyond_limit": float(np.mean(_beyond(fitted))),
            "sites": _sites(fitted),
        },
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
        "versions": software_versions(),
    }


def _beyond(fitted: Fitted) -> list[bool]:
    """Which held-out people lie beyond the novelty limit and get no number."""
    fit, percent = fitted.novelty, np.linspace(0.0, 100.0, len(fitted.novelty.quantiles))
    limit = float(np.interp(fitted.settings.novelty_limit, percent, fit.quantiles))
    newcomers = fitted.novelty_features[len(fitted.cohort_training) :]
    return [distance(fit.mean, fit.precision, row) > limit for row in newcomers]


def _oracle(fitted: Fitted) -> dict[str, Any]:
    """True traits of the held-out people: the ceiling."""
    scores = np.array([person.oracle for person in fitted.cohort_held_out])
    labels = np.array([person.responder for person in fitted.cohort_held_out])
    low, high = bootstrap_interval(auroc, scores, labels, seed=fitted.settings.fold_seed)
    return {"auroc": auroc(scores, labels), "auroc_interval": [low, high]}


def golden_indices(fitted: Fitted) -> list[int]:
    """The first two held-out people that get a number."""
    return [index for index, beyond in enumerate(_beyond(fitted)) if not beyond][:2]


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


def add_to_card(bundle_dir: Path, table: str, values: Mapping[str, Any]) -> None:
    """Add or replace one table of a card, ``a`` or ``a.b``; weights and hash stay as they are."""
    from tomli_w import dump

    path = bundle_dir / "card.toml"
    card = tomllib.loads(path.read_text(encoding="utf-8"))
    *outer, name = table.split(".")
    place = card
    for part in outer:
        place = place.setdefault(part, {})
    place[name] = dict(values)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as handle:
        dump(card, handle)
    os.replace(partial, path)
