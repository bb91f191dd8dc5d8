"""The model card: what a bundle says about itself, read from `card.toml` and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import frozen
from app.core.errors import ModelError
from app.core.results import ModelSummary
from app.models.brainlm_config import BrainLMConfig

MAX_CARD_BYTES = 1 << 20
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Contract:
    """What a scan must have been through before this model may look at it."""

    atlas: str
    template: str
    parcel_count: int
    preset: str
    repetition_time_s: float
    repetition_time_tolerance_s: float
    window_frames: int
    normalisation: str
    series_scale_percent: float
    maximum_missing_parcels: int
    quality_limits: dict[str, tuple[float, float]]  # metric -> (pass, withheld); moved limits only


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: probability = sigmoid(slope * log-odds + intercept)."""

    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts that fix the shape of every stored array."""

    networks: int
    bootstrap_heads: int
    references: int
    reference_frames: int
    novelty_features: int
    novelty_quantiles: int
    sites: int


@dataclass(frozen=True, slots=True)
class Card:
    """A checked model card."""

    summary: ModelSummary
    contract: Contract
    encoder: BrainLMConfig
    calibration: Calibration
    sizes: Sizes
    covariates: tuple[str, ...]
    site_names: tuple[str, ...]
    novelty_limit_percentile: float
    canary: dict[str, float]
    raw: dict[str, Any]  # the whole card, for display


def read_card(folder: Path) -> Card:
    """Read and check `card.toml` of one bundle.

    Raises
    ------
    ModelError
        ``model.missing`` or ``model.card``.
    """
    path = folder / "card.toml"
    if not path.is_file():
        raise ModelError(
            f"No model named '{folder.name}' is installed.",
            "Choose one that `models` lists.",
            code="model.missing",
        )
    if path.stat().st_size > MAX_CARD_BYTES:
        raise _bad("it is larger than 1 MiB")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return _card(values)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad("it is not TOML") from error
    except KeyError as error:
        raise _bad(f"the field {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise _bad(str(error)) from error


def _bad(what: str) -> ModelError:
    return ModelError(
        f"The model card cannot be used: {what}.", "Reinstall the model.", code="model.card"
    )


def _card(values: dict[str, Any]) -> Card:
    if values["format"] != FORMAT:
        raise ValueError(f"format {values['format']} instead of {FORMAT}")
    model, contract = values["model"], values["contract"]
    histogram, fused = values["histogram"], values["metrics"]["fused"]
    interval = tuple(float(value) for value in fused["auroc_interval"])
    encoder = BrainLMConfig.from_mapping(values["encoder"]["config"])
    encoder.check()
    summary = ModelSummary(
        model_id=str(model["id"]),
        weights_sha256=str(values["weights"]["sha256"]),
        drug=str(model["drug"]),
        responder_definition=str(model["responder_definition"]),
        population=str(model["population"]),
        training_count=int(model["training_count"]),
        base_rate=float(model["base_rate"]),
        cutoff=float(model["cutoff"]),
        cutoff_source=str(model["cutoff_source"]),
        auroc=float(fused["auroc"]),
        auroc_interval=(interval[0], interval[1]),
        covariate_auroc=float(values["metrics"]["covariates_only"]["auroc"]),
        simulated=bool(model["simulated"]),
        limits=tuple(str(line) for line in model["limits"]),
        score_edges=frozen(np.asarray(histogram["edges"], float)),
        score_counts_responder=frozen(np.asarray(histogram["responder"], float)),
        score_counts_non_responder=frozen(np.asarray(histogram["non_responder"], float)),
    )
    return Card(
        summary=summary,
        contract=_contract(contract),
        encoder=encoder,
        calibration=Calibration(
            float(values["calibration"]["slope"]), float(values["calibration"]["intercept"])
        ),
        sizes=Sizes(**{name: int(value) for name, value in values["sizes"].items()}),
        covariates=tuple(values["covariates"]["names"]),
        site_names=tuple(values["novelty"]["sites"]),
        novelty_limit_percentile=float(values["novelty"]["limit_percentile"]),
        canary={name: float(value) for name, value in values["canary"].items()},
        raw=values,
    )


def _contract(values: Mapping[str, Any]) -> Contract:
    return Contract(
        atlas=str(values["atlas"]),
        template=str(values["template"]),
        parcel_count=int(values["parcel_count"]),
        preset=str(values["preset"]),
        repetition_time_s=float(values["repetition_time_s"]),
        repetition_time_tolerance_s=float(values["repetition_time_tolerance_s"]),
        window_frames=int(values["window_frames"]),
        normalisation=str(values["normalisation"]),
        series_scale_percent=float(values["series_scale_percent"]),
        maximum_missing_parcels=int(values["maximum_missing_parcels"]),
        quality_limits={
            name: (float(pair[0]), float(pair[1]))
            for name, pair in values.get("quality_limits", {}).items()
        },
    )
