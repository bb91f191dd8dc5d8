"""A complete bundle in miniature: 12 parcels, 3 networks, windows of 40 frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from safetensors.torch import save_file

from app.core.provenance import array_sha256, file_sha256
from app.core.results import (
    CleanSignals,
    Connectome,
    Participant,
    QualityMetric,
    QualityReport,
    Scan,
    Verdict,
)
from app.models.card import read_card, sha256_of_names
from app.models.fmm_tc import ENCODER, FmmTc, expected_shapes
from app.models.network_statistics import canary

PARCELS, NETWORKS, WINDOW = 12, 3, 40
NETWORK_NAMES = ("A", "A", "B", "B", "B", "C", "A", "C", "C", "B", "A", "C")
PARCEL_NAMES = tuple(f"p{i}" for i in range(PARCELS))
ATLAS_SHA256 = "a" * 64


def mini_card() -> dict[str, Any]:
    return {
        "format": 2,
        "model": {
            "id": "mini",
            "architecture": "fmm-tc-network-statistics",
            "mode": "corrected",
            "simulated": True,
            "use": "Research use only - not for treatment decisions",
            "licence": "Apache-2.0",
            "limitations": ["made up"],
        },
        "treatment": {
            "drug": "Simulated treatment X",
            "dose": "1 unit",
            "route": "none",
            "arm": "single arm",
            "comparator": "none",
            "control_arm_modelled": False,
        },
        "responder": {
            "text": ">= 30 % less",
            "scale": "rating, 0 to 10",
            "direction": "decrease",
            "threshold": 30.0,
            "unit": "percent",
            "time_point": "week 4",
        },
        "estimand": {
            "statement": "response at week 4",
            "rescue_medication": "none",
            "drop_out": "none",
        },
        "population": {"description": "nobody", "age_range_years": [20.0, 80.0]},
        "training": {
            "count": 99,
            "responders": 45,
            "held_out_count": 7,
            "held_out_responders": 3,
            "sites": [{"name": "site-1", "count": 50}, {"name": "site-2", "count": 49}],
            "external_test": "none",
        },
        "protocol": {
            "description": "nested",
            "split": "by person",
            "cutoff": 0.5,
            "cutoff_source": "pre-registered",
            "headline": "fused",
            "rival": "covariates_only",
        },
        "contract": {
            "atlas": "mini",
            "atlas_sha256": ATLAS_SHA256,
            "parcel_count": PARCELS,
            "parcel_order_sha256": sha256_of_names(PARCEL_NAMES),
            "template": "T",
            "preset": "simple-highpass",
            "tasks": ["rest"],
            "repetition_time_policy": "frames",
            "repetition_time_s": 2.0,
            "repetition_time_tolerance_s": 0.01,
            "window_frames": WINDOW,
            "minimum_frames": WINDOW,
            "window_rule": "half overlapping",
            "normalisation": "percent_scaled",
            "normalisation_origin": "made up",
            "series_scale_percent": 0.5,
            "connectivity_kind": "pearson",
            "connectivity": "Fisher z of network means",
            "maximum_missing_parcels": 2,
        },
        "encoder": {
            "name": "mini",
            "family": "BrainLM 13M",
            "sha256": "0" * 64,
            "source": "bundled",
            "licence": "Apache-2.0",
            "token_order": "stored",
            "cls_layer": "none",
            "features": "log variance",
            "config": {
                "hidden_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 12,
                "decoder_hidden_size": 8,
                "decoder_num_attention_heads": 2,
                "num_brain_voxels": PARCELS,
                "num_timepoints_per_voxel": WINDOW,
                "timepoint_patching_size": 10,
            },
        },
        "sizes": {
            "networks": NETWORKS,
            "bootstrap_heads": 30,
            "references": 2,
            "reference_frames": 44,
            "novelty_features": 9,
            "novelty_quantiles": 11,
        },
        "calibration": {"method": "Platt", "slope": 0.8, "intercept": -0.1},
        "uncertainty": {"method": "refits"},
        "covariates": {
            "names": ["age_years", "sex_female", "mean_fd_mm", "baseline_pain"],
            "required": [],
        },
        "novelty": {
            "method": "Mahalanobis",
            "limit_percentile": 99.0,
            "held_out_share_beyond_limit": 0.0,
        },
        "references": {"kind": "simulated_individuals", "text": "made up"},
        "metrics": {
            "fused": {"auroc": 0.7, "auroc_interval": [0.6, 0.8]},
            "covariates_only": {"auroc": 0.5},
            "gain_over_covariates": {"auroc": 0.2, "auroc_interval": [0.05, 0.35]},
        },
        "histogram": {"edges": [0.0, 0.5, 1.0], "responder": [1, 2], "non_responder": [3, 1]},
        "seeds": {"seed": 1},
        "weights": {"file": "weights.safetensors", "sha256": "0" * 64},
        "canary": {"log_odds": 0.0, "tolerance": 1e-3},
        "reproducibility": {"statement": "same bits", "probability_tolerance": 1e-5},
        "versions": {"neuroresponder": "0.1.0"},
    }


def write_mini(folder: Path, *, head_scale: float = 1.0, novelty_reach: float = 1e3) -> Path:
    """A bundle with seeded random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    card = mini_card()
    with (folder / "card.toml").open("wb") as handle:
        tomli_w.dump(card, handle)
    generator = torch.Generator().manual_seed(4)
    tensors = {
        key: 0.3 * torch.randn(shape, generator=generator)
        for key, shape in expected_shapes(read_card(folder)).items()
    }
    for key in tensors:
        if key.startswith(("head.", "bootstrap.")) and "mean" not in key:
            tensors[key] *= head_scale
    tensors["token_order"] = torch.randperm(48, generator=generator).to(torch.int32)
    tensors["network_of_parcel"] = torch.tensor(
        ["ABC".index(name) for name in NETWORK_NAMES], dtype=torch.int32
    )
    tensors["novelty.precision"] = torch.eye(9, dtype=torch.float64)
    tensors["novelty.quantiles"] = torch.linspace(0, novelty_reach, 11, dtype=torch.float64)
    matrix = torch.tanh(tensors["mean_correlation"])
    tensors["mean_correlation"] = 0.5 * (matrix + matrix.T) * (1 - torch.eye(PARCELS))
    return store_mini(folder, card, tensors)


def store_mini(folder: Path, card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Path:
    """Write weights, then the card with their hash and the true canary."""
    save_file(tensors, str(folder / "weights.safetensors"))
    card["weights"]["sha256"] = file_sha256(folder / "weights.safetensors")
    own = [tensors[key] for key in sorted(tensors) if key.startswith(ENCODER)]
    card["encoder"]["sha256"] = array_sha256(*(tensor.numpy() for tensor in own))
    with (folder / "card.toml").open("wb") as handle:
        tomli_w.dump(card, handle)
    if all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point()):
        model = FmmTc.from_tensors(read_card(folder), tensors)
        card["canary"]["log_odds"] = canary(model)
    with (folder / "card.toml").open("wb") as handle:
        tomli_w.dump(card, handle)
    return folder


@dataclass(frozen=True)
class MiniScan:
    """What the recipe would hand to the model."""

    signals: CleanSignals
    connectome: Connectome
    participant: Participant
    scan: Scan
    quality: QualityReport

    def asked(self, bundle: Any, **changes: Any) -> Any:
        """The bundle's prediction."""
        return bundle.predict(
            self.signals, self.connectome, self.participant, self.scan, self.quality, **changes
        )


def mini_scan(*, simulated: bool = True, frames: int = 57, seed: int = 1) -> MiniScan:
    rng = np.random.default_rng(seed)
    cleaned = 0.5 * rng.standard_normal((frames, PARCELS)).cumsum(0) / 4
    matrix = np.corrcoef(cleaned.T)
    np.fill_diagonal(matrix, 0.0)
    signals = CleanSignals(
        atlas="mini",
        template="T",
        parcel_names=PARCEL_NAMES,
        networks=NETWORK_NAMES,
        hemispheres=("L", "R") * 6,
        centroids_mm=np.zeros((PARCELS, 3)),
        raw=cleaned + 100,
        cleaned=cleaned,
        good_frames=np.ones(frames, bool),
        coverage=np.ones(PARCELS),
        repetition_time_s=2.0,
        first_frame=0,
        preset="simple-highpass",
        residual_degrees_of_freedom=30.0,
        confounds={"framewise_displacement": np.r_[np.nan, np.full(frames - 1, 0.1)]},
        atlas_sha256=ATLAS_SHA256,
    )
    scan = Scan(
        sha256="0" * 64,
        shape=(7, 8, 9, frames),
        voxel_size_mm=(3.0, 3.0, 3.0),
        affine=np.eye(4),
        repetition_time_s=2.0,
        repetition_time_source="sidecar",
        storage_orientation="RAS",
        sform_code=1,
        qform_code=1,
        stored_dtype="int16",
        space="scanner",
        task="rest",
        simulated=simulated,
        scanner="",
        field_strength_t=3.0,
    )
    return MiniScan(
        signals,
        Connectome("pearson", matrix, frames),
        Participant("u", "sub-01", age_years=50.0, sex="F", baseline_pain=6.0),
        scan,
        QualityReport((), Verdict.PASS, "1"),
    )


@pytest.fixture
def bundle_dir(tmp_path: Path) -> Path:
    return write_mini(tmp_path / "mini")


@pytest.fixture
def scan() -> MiniScan:
    return mini_scan()


@pytest.fixture
def bad_quality() -> QualityReport:
    metric = QualityMetric(
        "mean_fd_power_mm", "Mean FD", 0.9, "mm", "withheld > 0.5", "x", Verdict.WITHHELD
    )
    return QualityReport((metric,), Verdict.WITHHELD, "1")
