"""Bundles of fitted models, and installed encoders, in miniature: 12 parcels, windows of 20."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from safetensors.torch import save_file

from app.core.provenance import file_sha256
from app.models.architectures import find_architecture
from app.models.brainlm import BrainLM
from app.models.bundle import load_bundle
from app.models.card import Card, read_card
from app.models.device import torch_device
from app.models.fitted_response import statistics_shapes
from app.models.installed import STATISTICS_FILE, WEIGHTS_FILE
from app.models.series_encoder import restart
from tests.unit.models.conftest import NETWORK_NAMES, MiniScan, mini_card, mini_scan
from tests.unit.models.fmm_tc_people import CONFIG, PARCELS, WINDOW


def install_encoder(home: Path, name: str = "tiny-13m", seed: int = 8) -> str:
    """A checkpoint folder where installations put theirs; SHA-256 of its weights."""
    folder = home / "data" / "encoders" / name
    folder.mkdir(parents=True)
    model = BrainLM(CONFIG, with_decoder=True)
    restart(model, seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "norm" not in key:
                parameter.mul_(4.0)
    save_file(model.state_dict(), str(folder / "model.safetensors"))
    config = CONFIG.as_mapping() | {
        "architectures": ["BrainLMForPretraining"], "model_type": "brainlm_mae",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return file_sha256(folder / "model.safetensors")


def card_of(architecture: str, *, encoder: dict[str, Any] | None = None) -> dict[str, Any]:
    """A card by the schema, without hashes."""
    card = mini_card()
    del card["encoder"]
    if encoder is not None:
        card["encoder"] = encoder
    card["model"] |= {"id": "fitted", "architecture": architecture}
    card["contract"] |= {
        "normalisation": "percent", "window_frames": WINDOW, "minimum_frames": 2 * WINDOW,
        "series_scale_percent": 1.0, "maximum_missing_parcels": 1,
    }  # fmt: skip
    card["uncertainty"] = {"method": "refits", "log_odds_sd": 0.5}
    card["sizes"] = {"networks": 3, "novelty_features": 6, "novelty_quantiles": 11}
    card["references"]["kind"] = "none"
    return card


def encoder_fields(sha256: str, *, installed: bool, name: str = "tiny-13m") -> dict[str, Any]:
    """The card's [encoder] of the tiny 13M encoder."""
    return {
        "name": name,
        "family": "BrainLM 13M",
        "sha256": sha256,
        "source": "installed" if installed else "bundled",
        "licence": "CC BY-NC-ND 4.0" if installed else "Apache-2.0",
        "token_order": "identity",
        "cls_layer": "last",
        "features": "CLS",
        "config": CONFIG.as_mapping(),
    }


def write_response(folder: Path, card: dict[str, Any], model: Any) -> Path:
    """Weights, statistics and card with their hashes and the model's own canary."""
    folder.mkdir(parents=True)
    model.save(folder / WEIGHTS_FILE)
    card["weights"]["sha256"] = file_sha256(folder / WEIGHTS_FILE)
    write_card(folder, card)
    shapes = statistics_shapes(read_card(folder))
    statistics = {key: torch.zeros(shape) for key, shape in shapes.items()}
    statistics["network_of_parcel"] = torch.tensor(["ABC".index(n) for n in NETWORK_NAMES])
    statistics["mean_correlation"] = 0.1 * (1 - torch.eye(PARCELS))
    statistics["novelty.precision"] = torch.eye(6)
    statistics["novelty.quantiles"] = torch.linspace(0, 1000, 11)
    save_file(statistics, str(folder / STATISTICS_FILE))
    card["weights"]["statistics_sha256"] = file_sha256(folder / STATISTICS_FILE)
    write_card(folder, card)
    read: Card = read_card(folder)
    built = find_architecture(read).build(
        read, {}, statistics, folder / WEIGHTS_FILE, torch_device("cpu")
    )
    card["canary"]["log_odds"] = built.canary()
    write_card(folder, card)
    return folder


def write_card(folder: Path, card: dict[str, Any]) -> None:
    (folder / "card.toml").write_text(tomli_w.dumps(card))


def centred_scan(frames: int = 47, seed: int = 1) -> MiniScan:
    """A scan as `mini_scan`, noise about zero as cleaned series are."""
    scan = mini_scan(frames=frames, seed=seed)
    series = np.random.default_rng(seed).standard_normal((frames, PARCELS))
    series -= series.mean(0)
    matrix = np.corrcoef(series.T)
    np.fill_diagonal(matrix, 0.0)
    return replace(
        scan,
        signals=replace(scan.signals, cleaned=series),
        connectome=replace(scan.connectome, matrix=matrix),
    )


@dataclass(frozen=True)
class Asked:
    """What a bundle says of one scan."""

    prediction: Any
    attribution: Any


def ask_bundle(place: str | Path, scan: MiniScan) -> Asked:
    """Predict and explain."""
    from app.attribution.explain import explain

    bundle = load_bundle(place)
    found, _, _ = bundle.explain_with_notes(explain, scan.signals, scan.connectome)
    return Asked(scan.asked(bundle), found)
