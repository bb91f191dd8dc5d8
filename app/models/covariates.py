"""The covariate-only competitor: age, sex, motion and baseline pain, nothing from the brain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from app.core.arrays import Floats
from app.core.results import CleanSignals, Participant
from app.models.card import Card
from app.models.card_schema import COVARIATES

NAMES = COVARIATES


def covariate_values(
    age_years: float | None, sex: str | None, mean_fd_mm: float, baseline_pain: float | None
) -> Floats:
    """(4,) in the order of `NAMES`; NaN where unknown."""
    female = {"F": 1.0, "M": 0.0}.get(sex or "", np.nan)
    return np.array(
        [
            np.nan if age_years is None else age_years,
            female,
            mean_fd_mm,
            np.nan if baseline_pain is None else baseline_pain,
        ],
        float,
    )


def scan_covariates(
    names: Sequence[str], participant: Participant, signals: CleanSignals
) -> Floats:
    """(name,) of one participant, in the order of `names`; NaN where unknown."""
    displacement = np.asarray(signals.confounds.get("framewise_displacement", [np.nan]))
    known = displacement[np.isfinite(displacement)]
    values = covariate_values(
        participant.age_years,
        participant.sex,
        float(known.mean()) if known.size else float("nan"),
        participant.baseline_pain,
    )
    return np.asarray(values[[NAMES.index(name) for name in names]])


def covariate_probability(
    card: Card, tensors: Mapping[str, Tensor], participant: Participant, signals: CleanSignals
) -> float | None:
    """Probability from covariates alone; None when age, sex and pain are all unknown.

    A single unknown covariate counts as the training mean.
    """
    values = scan_covariates(card.covariates, participant, signals)
    asked = np.array([name != "mean_fd_mm" for name in card.covariates], np.bool_)
    if not np.isfinite(values[asked]).any():
        return None
    mean = tensors["covariates.mean"].double().numpy()
    centred = np.where(np.isfinite(values), values - mean, 0.0)
    weights = tensors["covariates.weight"].double().numpy()
    score = float((centred * weights).sum() + tensors["covariates.bias"].double()[0])
    return float(1.0 / (1.0 + np.exp(-score)))
