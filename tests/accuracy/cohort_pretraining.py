"""Does pre-training help? The demonstration encoder beside the same encoder never trained.

Series of simulated people at parcel level go through both, frozen; a linear head is fitted on
growing numbers of people and asked about others. The label of these people lies in their dynamics,
which is what an encoder of series can see; and, beside it, in connectivity alone, where it cannot
help. Reported whichever way it goes.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.cohort.demo_bundle import extractor_of, random_encoder
from app.cohort.demo_settings import DEMO
from app.cohort.experiments.simulated import fitted_series
from app.cohort.learn.fast_logistic import fit_fast
from app.cohort.metrics import auroc
from app.connectome.atlases import load_atlas
from app.models.baselines.linear import LOGISTIC
from app.models.brainlm import BrainLM
from app.models.card import read_card
from app.models.features import pooling_weights, prepared_series, series_features
from app.models.fmm_tc import ENCODER
from app.models.strict_loading import load_module, read_tensors
from app.simulation.cohort import CohortSettings, draw_participant

Record = dict[str, Any]
FRAMES = 204
SIZES = (20, 40, 80, 120)
SCENARIOS = {"dynamics only": (0.0, 1.0), "connectivity only": (1.0, 0.0)}


def pretrained() -> BrainLM:
    """The bundled encoder."""
    folder = Path(__file__).resolve().parents[2] / "model_weights" / "simulated-demo"
    model = BrainLM(read_card(folder).encoder)
    tensors = read_tensors(folder / "weights.safetensors")
    load_module(model, {k[len(ENCODER) :]: t for k, t in tensors.items() if k.startswith(ENCODER)})
    return model.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def _extractors() -> dict[str, Any]:
    atlas = load_atlas("HCPEx")
    return {
        "pretrained": extractor_of(pretrained(), atlas),
        "random": extractor_of(random_encoder(DEMO.random_encoder_seed), atlas),
    }


def encoded(series: np.ndarray, name: str) -> np.ndarray:
    """Features of one person's first window."""
    found = _extractors()[name]
    scaled, present = prepared_series(series, found.series_scale_percent)
    pooling = pooling_weights(found.network_of_parcel, found.network_count, present)
    window = found.encoder.config.num_timepoints_per_voxel
    with torch.no_grad():
        row = series_features(
            found.encoder,
            scaled[:window].T.unsqueeze(0).contiguous(),
            torch.from_numpy(found.centroids_mm),
            torch.from_numpy(np.asarray(found.token_order, np.int64)),
            pooling,
        )
    return np.asarray(row[0].double().numpy())


def table_of(scenario: str, count: int, folder: Path, seed: int = 711) -> dict[str, np.ndarray]:
    """Both encoders' features and labels of people, kept on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"encoded-{scenario.replace(' ', '-')}-{seed}-{count}.npz"
    if not path.exists():
        one, other = SCENARIOS[scenario]
        settings = CohortSettings(
            seed=seed, connectivity_strength=one, dynamics_strength=other, frames=FRAMES
        )
        rows: dict[str, list[Any]] = {"pretrained": [], "random": [], "responder": []}
        for index in range(count):
            truth = draw_participant(settings, index)
            series = fitted_series(truth, FRAMES)
            for name in ("pretrained", "random"):
                rows[name].append(encoded(series, name))
            rows["responder"].append(bool(truth.responder))
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as handle:
            np.savez(handle, **{name: np.array(values) for name, values in rows.items()})
        partial.replace(path)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def pretraining_record(
    tables: dict[str, dict[str, np.ndarray]],
    seed: int,
    *,
    tested: int,
    sizes: tuple[int, ...] = SIZES,
) -> Record:
    """One drawing of training people of every size; AUROC in people never drawn."""
    found: Record = {"seed": seed, "sizes": list(sizes)}
    for scenario, table in tables.items():
        labels = table["responder"]
        inside = np.random.default_rng([seed, 31]).permutation(len(labels) - tested)
        test = np.arange(len(labels) - tested, len(labels))
        for name in ("pretrained", "random"):
            values = table[name] - table[name].mean(axis=0)
            areas = []
            for size in sizes:
                rows = inside[:size]
                fit = fit_fast(values[rows], labels[rows], LOGISTIC, standardise=False, seed=seed)
                areas.append(auroc(fit.log_odds(values[test]), labels[test]))
            found[f"{scenario}, {name}"] = areas
    return found


def summarise_pretraining(records: list[Record]) -> list[str]:
    """Mean AUROC by size, and the mean gain with its interval over drawings."""
    lines = []
    for scenario in SCENARIOS:
        if f"{scenario}, random" not in records[0]:
            continue
        one = np.array([r[f"{scenario}, pretrained"] for r in records])
        other = np.array([r[f"{scenario}, random"] for r in records])
        for place, size in enumerate(records[0]["sizes"]):
            gain = one[:, place] - other[:, place]
            low, high = np.percentile(gain, [2.5, 97.5])
            lines.append(
                f"{scenario}, {size} training people: pre-trained {one[:, place].mean():.3f}, "
                f"never trained {other[:, place].mean():.3f}, gain {gain.mean():+.3f} (95 % of "
                f"{len(records)} drawings {low:+.3f} to {high:+.3f})"
            )
    return lines
