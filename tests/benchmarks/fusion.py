"""Which branch, fusion, connectivity and encoder earn their place? Simulated cohorts, parcel level.

    .venv/bin/python tests/benchmarks/fusion.py --out fusion.json --cache FOLDER
        [--people 100] [--cohort NAME …] [--variant NAME …]

Three cohorts of the simulator: the label in both branches' observables, in connectivity alone,
in dynamics alone. Every variant is trained and asked in the same folds by person; figures are
out-of-fold AUROC with a bootstrap interval over persons, and the paired difference to plain
concatenation. Vectors of the frozen encoder are cached, so a second run takes minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.metrics import auroc, bootstrap_interval, log_loss
from app.cohort.series_level import measured_series
from app.cohort.training import folds_of
from app.models.brainlm import BrainLM
from app.models.card import read_card
from app.models.feature_cache import FeatureCache
from app.models.features import correlation_of
from app.models.fmm_tc import ENCODER
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.series_encoder import EncoderSource
from app.models.strict_loading import load_module, read_tensors
from app.simulation.cohort import CohortSettings, draw_cohort

FRAMES = 204  # 200 after the unsteady ones: one window
COHORTS: dict[str, dict[str, Any]] = {
    "both": {"seed": 301},
    "connectivity only": {"seed": 302, "dynamics_strength": 0.0},
    "dynamics only": {"seed": 303, "connectivity_strength": 0.0},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "concat": {},
    "series only": {"branches": ("series",)},
    "connectivity only": {"branches": ("connectivity",)},
    "late": {"fusion": "late"},
    "gated": {"fusion": "gated"},
}
MORE: dict[str, dict[str, Any]] = {  # on the cohort with both alone
    "series only, random encoder": {"branches": ("series",), "foundation": "random"},
    "concat, random encoder": {"foundation": "random"},
    "connectivity only, compact": {
        "branches": ("connectivity",),
        "connectivity_encoder": "compact",
    },
    "connectivity only, partial": {"branches": ("connectivity",), "connectivity": "partial"},
    "connectivity only, tangent": {"branches": ("connectivity",), "connectivity": "tangent"},
}
FOLDS = 5


def demonstration_encoder() -> tuple[EncoderSource, np.ndarray]:
    """The bundled encoder, its patch tokens pooled over networks, and the coordinates."""
    folder = Path(__file__).resolve().parents[2] / "model_weights" / "simulated-demo"
    card = read_card(folder)
    tensors = read_tensors(folder / "weights.safetensors")
    model = BrainLM(card.encoder)
    load_module(model, {k[len(ENCODER) :]: t for k, t in tensors.items() if k.startswith(ENCODER)})
    networks = tensors["network_of_parcel"].long().numpy()
    source = EncoderSource.of_brainlm(model, network_of_parcel=networks)
    return source, tensors["centroids_mm"].float().numpy()


def people(name: str, count: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Series, matrices and labels of one simulated cohort."""
    import torch

    settings = CohortSettings(count=count, frames=FRAMES, **COHORTS[name])
    truths = draw_cohort(settings)
    series = [measured_series(one, FRAMES, settings.repetition_time_s) for one in truths]
    everything = torch.ones(len(series[0]), dtype=torch.bool)
    present = torch.ones(series[0].shape[1], dtype=torch.bool)
    matrices = [
        correlation_of(torch.from_numpy(one).double(), everything, present).numpy()
        for one in series
    ]
    labels = np.array([bool(one.responder) for one in truths])
    return series, np.stack(matrices), labels


def out_of_fold(
    changes: dict[str, Any],
    cohort: tuple[list[np.ndarray], np.ndarray, np.ndarray],
    encoder: EncoderSource,
    places: np.ndarray,
    cache: FeatureCache,
) -> np.ndarray:
    """Log-odds of everybody by models that did not see them."""
    series, matrices, labels = cohort
    settings = FmmTcSettings.corrected(**changes)
    fold, answers = folds_of(labels, FOLDS, 5), np.empty(len(labels))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        model = FmmTcNetwork(settings, encoder=encoder, centroids_mm=places, cache=cache)
        nothing = np.zeros((len(labels), 0))
        model.fit([series[i] for i in inside], matrices[inside], nothing, labels[inside], seed=7)
        answers[outside] = model.predict_log_odds(
            [series[i] for i in outside], matrices[outside], nothing
        )
    return answers


def figures(answers: np.ndarray, plain: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """AUROC and log-loss with intervals, and the paired difference to `plain`."""
    rng = np.random.default_rng(9)
    differences = []
    for _ in range(2000):
        rows = rng.integers(0, len(labels), len(labels))
        if 0 < labels[rows].sum() < len(labels):
            differences.append(
                auroc(answers[rows], labels[rows]) - auroc(plain[rows], labels[rows])
            )
    probability = 1.0 / (1.0 + np.exp(-answers))
    return {
        "auroc": auroc(answers, labels),
        "auroc_interval": bootstrap_interval(auroc, answers, labels, seed=9),
        "log_loss": log_loss(probability, labels),
        "auroc_minus_concat": auroc(answers, labels) - auroc(plain, labels),
        "difference_interval": [float(v) for v in np.percentile(differences, [2.5, 97.5])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--cohort", choices=COHORTS, nargs="*", default=list(COHORTS))
    parser.add_argument("--variant", choices=[*VARIANTS, *MORE], nargs="*")
    options = parser.parse_args()
    encoder, places = demonstration_encoder()
    cache = FeatureCache(options.cache)
    table: dict[str, Any] = {}
    for name in options.cohort:
        cohort = people(name, options.people)
        plain = None
        chosen = VARIANTS | MORE if name == "both" else VARIANTS
        for variant, changes in chosen.items():
            if options.variant and variant not in ("concat", *options.variant):
                continue
            began = time.monotonic()
            answers = out_of_fold(changes, cohort, encoder, places, cache)
            plain = answers if plain is None else plain
            found = figures(answers, plain, cohort[2])
            found["seconds"] = round(time.monotonic() - began, 1)
            table.setdefault(name, {})[variant] = found
            print(name, "|", variant, json.dumps(found), flush=True)
            options.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
