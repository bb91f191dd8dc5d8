"""Writes a fitted demonstration model as a bundle: `weights.safetensors` and `card.toml`."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.cohort.demo_card import Fitted, bundle_card
from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.provenance import file_sha256
from app.models.card import read_card
from app.models.fmm_tc import ENCODER as ENCODER_PREFIX
from app.models.fmm_tc import FmmTc
from app.models.installed import WEIGHTS_FILE
from app.models.network_statistics import canary

MAX_BUNDLE_BYTES = 20 * 1024 * 1024


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
        card = bundle_card(fitted, tensors, file_sha256(made / WEIGHTS_FILE), {"log_odds": 0.0})
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
    sites = fitted.sites
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
        **fitted.health,
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
