"""What every model that learns to predict response can do: FMM_TC, its variants and its rivals.

One interface, so that each is trained, judged and stored by the same lines of the cohort room.
Inputs are plain numpy; people come in one order in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from torch import Tensor

from app.core.arrays import Bools, Floats
from app.core.progress import Progress
from app.models.scan_functions import ScanFunctions


@runtime_checkable
class ResponseModel(Protocol):
    """A model of response that is fitted on people and gives a log-odds to others.

    Everything data-dependent (scalers, references, choices of strength or epoch, imputation) is
    fitted inside `fit` and nowhere else; `predict_log_odds` never looks at other people of the
    same call, so an answer does not depend on who is asked together with whom.
    """

    def fit(
        self,
        series: Sequence[Floats],
        connectivity: Floats,
        covariates: Floats,
        labels: Bools,
        *,
        structural: Floats | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from people.

        Parameters
        ----------
        series
            One (frame, parcel) array a person: cleaned parcel series, percent of the parcel's
            mean; NaN columns for missing parcels. Lengths may differ.
        connectivity
            (person, parcel, parcel) Pearson matrices of good frames; NaN rows for missing parcels.
        covariates
            (person, covariate), NaN where unknown.
        labels
            (person,) True for responders.
        structural
            (person, volume) FreeSurfer volumes in the order of `ASEG_VOLUMES`, or None.
        seed
            Fixes every draw.
        progress
            Told between steps; a cancel takes hold there.

        Raises
        ------
        ModelError
            What is wrong with the people and what to do (one class only, too few, wrong shape).
        """

    def predict_log_odds(
        self,
        series: Sequence[Floats],
        connectivity: Floats,
        covariates: Floats,
        *,
        structural: Floats | None = None,
    ) -> Floats:
        """Uncalibrated log-odds of response, (person,)."""

    def save(self, path: Path) -> None:
        """Write settings and fitted values as one safetensors file."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, strictly; `ModelError` when anything does not fit."""


@runtime_checkable
class DifferentiableResponse(Protocol):
    """A fitted model whose log-odds have gradients with respect to one scan's inputs."""

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """(frame, parcel) series and (parcel, parcel) matrix of one person -> scalar."""


class Detail(Protocol):
    """One person's answer with what lies behind it."""

    @property
    def log_odds(self) -> float:
        """Uncalibrated."""

    @property
    def window_log_odds(self) -> Floats:
        """(window,)."""

    @property
    def contributions(self) -> dict[str, float]:
        """Signed log-odds of each input and "bias"; they sum to the log-odds."""

    @property
    def exact_contributions(self) -> bool:
        """False where the inputs interact: then they are Shapley values."""


@runtime_checkable
class DetailedResponse(Protocol):
    """A fitted model that says what its inputs contribute."""

    def detail(self, series: Floats, connectivity: Floats) -> Detail:
        """One person's, inputs as in `ResponseModel.fit`."""


@runtime_checkable
class ExplainedResponse(Protocol):
    """A fitted model that prepares a scan for attribution itself, whatever its fusion."""

    def scan_functions(
        self, series: Floats, connectivity: Floats, good_frames: Bools
    ) -> ScanFunctions | None:
        """One person's; None where it has no baseline to start from."""
