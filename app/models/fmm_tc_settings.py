"""What one variant of FMM_TC is: mode, branches, encoder, connectivity, fusion, training.

`FmmTcSettings.faithful()` is the method as released (for comparison only), `corrected()` the
default of this program. `check` refuses combinations that were never meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from app.core.errors import ModelError
from app.models.connectivity_kinds import KINDS
from app.models.differentiable_normalisation import NAMES
from app.models.repetition_time import LONGEST_TR_S, POLICIES, SHORTEST_TR_S

MODES = ("corrected", "faithful")
BRANCHES = ("series", "connectivity", "structural")
FOUNDATIONS = ("pretrained", "random", "scratch")
CONNECTIVITY_ENCODERS = ("linear", "compact", "resnet18")
FUSIONS = ("concat", "gated", "late")
NORMALISATIONS = ("raw", *NAMES)
SHORT_SCANS = ("refuse", "reflect", "neufom")
LARGEST_FOLDS = 20
STRUCTURAL_UNITS = ("mm3", "intracranial_fraction")


@dataclass(frozen=True, slots=True)
class FmmTcTraining:
    """How the trainable part is fitted; recorded with the model.

    Layers that read a branch's standardised features are trained by stochastic gradient descent
    with momentum: stopped early it is close to a ridge penalty (Ali, Kolter and Tibshirani 2019,
    arXiv 1810.10082), which suits 90,000 connections of 60 people better than AdamW's equal
    steps. Everything before and after those layers takes AdamW.

    Corrected mode chooses, in each inner fold, the epoch with the least mean log-loss of that
    fold's validation people (the first of equals), stops after `patience` epochs without a
    gain, and keeps a deep copy of those weights; `members` models from different inner folds
    are averaged. Faithful mode trains `epochs` epochs on everybody and keeps the last: the
    released choice of the best epoch on the reported fold is not offered.
    """

    epochs: int = 60
    patience: int = 15
    batch: int = 16
    learning_rate: float = 0.5  # of the layers that read the branches' features
    momentum: float = 0.9  # of those layers; 0 = AdamW for them too, as released
    inner_learning_rate: float = 2.0e-3  # AdamW, of everything before and after them
    final_share: float = 0.01  # of either rate, reached by the cosine at the last epoch
    weight_decay: float = 0.01
    inner_folds: int = 4
    members: int = 4
    summed_gradients: bool = False


RELEASED_TRAINING = FmmTcTraining(
    epochs=100,
    patience=0,
    batch=8,
    learning_rate=5.0e-4,
    momentum=0.0,
    inner_learning_rate=5.0e-4,
    final_share=2.0e-4,  # 1e-7
    inner_folds=0,
    members=1,
    summed_gradients=True,
)


@dataclass(frozen=True, slots=True)
class FmmTcSettings:
    """One variant; everything here travels in the weights file."""

    mode: str = "corrected"
    branches: tuple[str, ...] = ("series", "connectivity")
    foundation: str = "pretrained"  # the ablation: one of `FOUNDATIONS`
    connectivity: str = "pearson"
    connectivity_encoder: str = "linear"
    fusion: str = "concat"
    normalisation: str = "percent_scaled"
    series_scale_percent: float = 1.0  # of percent_scaled
    window_frames: int = 200
    repetition_time_policy: str = "frames"  # or "physical": resampled to 0.735 s
    repetition_time_s: float | None = None  # of the series; needed by "physical"
    short_scans: str = "refuse"
    shrinkage: float | None = None  # of partial and tangent; None = fitted on training people
    structural_unit: str = "mm3"
    maximum_missing_share: float = 0.10  # of parcels, per person
    training: FmmTcTraining = field(default_factory=FmmTcTraining)

    @classmethod
    def corrected(cls, **changes: Any) -> FmmTcSettings:
        """The default mode, with changes by name."""
        return cls(**changes).check()

    @classmethod
    def faithful(cls, *, structural: bool = False, **changes: Any) -> FmmTcSettings:
        """As released: FMM_TC, or NeuFoM with the structural branch. For comparison only."""
        released: dict[str, Any] = {
            "mode": "faithful",
            "branches": BRANCHES if structural else BRANCHES[:2],
            "connectivity": "gram",
            "connectivity_encoder": "resnet18",
            "normalisation": "raw",
            "short_scans": "neufom" if structural else "refuse",
            "training": RELEASED_TRAINING,
        }
        return cls(**(released | changes)).check()

    def check(self) -> FmmTcSettings:
        """Itself, when it can be run.

        Raises
        ------
        ModelError
            ``model.settings``, naming the field.
        """
        for name, allowed in (
            ("mode", MODES),
            ("foundation", FOUNDATIONS),
            ("connectivity", KINDS),
            ("connectivity_encoder", CONNECTIVITY_ENCODERS),
            ("fusion", FUSIONS),
            ("normalisation", NORMALISATIONS),
            ("repetition_time_policy", POLICIES),
            ("short_scans", SHORT_SCANS),
            ("structural_unit", STRUCTURAL_UNITS),
        ):
            if getattr(self, name) not in allowed:
                raise _refusal(f"{name} is '{getattr(self, name)}'", f"one of {', '.join(allowed)}")
        if not self.branches or tuple(b for b in BRANCHES if b in self.branches) != self.branches:
            raise _refusal(
                f"branches are {self.branches}", f"some of {', '.join(BRANCHES)}, in that order"
            )
        training = self.training
        if min(training.epochs, training.batch, training.members, self.window_frames) < 1:
            raise _refusal("a count is below 1", "epochs, batch, members and window_frames from 1")
        if max(training.members, training.inner_folds) > LARGEST_FOLDS:
            raise _refusal("there are too many inner folds", f"at most {LARGEST_FOLDS}")
        if self.shrinkage is not None and not 0 < self.shrinkage < 1:
            raise _refusal(f"shrinkage is {self.shrinkage}", "a value between 0 and 1")
        if not self.series_scale_percent > 0:
            raise _refusal("series_scale_percent is not positive", "a value above 0")
        seconds = self.repetition_time_s
        if seconds is not None and not SHORTEST_TR_S <= seconds <= LONGEST_TR_S:
            raise _refusal(f"repetition_time_s is {seconds}", "seconds, 0.1 to 10")
        if self.repetition_time_policy == "physical" and seconds is None:
            raise _refusal("the policy is physical without repetition_time_s", "the series' own")
        self._check_mode()
        return self

    def _check_mode(self) -> None:
        training = self.training
        released = {
            "connectivity": "gram",
            "connectivity_encoder": "resnet18",
            "normalisation": "raw",
            "fusion": "concat",
            "repetition_time_policy": "frames",
        }
        if self.mode == "faithful":
            for name, value in released.items():
                if getattr(self, name) != value:
                    raise _refusal(f"faithful mode with {name} '{getattr(self, name)}'", value)
            if self.short_scans == "reflect" or self.structural_unit != "mm3":
                raise _refusal(
                    "faithful mode with reflected scans or relative volumes", "as released"
                )
            return
        if self.connectivity == "gram" or self.normalisation == "raw":
            raise _refusal(
                "corrected mode with the Gram matrix or raw series",
                "faithful mode, or cleaned series and a kind of connectivity",
            )
        if self.connectivity_encoder == "resnet18" or self.short_scans == "neufom":
            raise _refusal(
                "corrected mode with the released ResNet-18 or zero padding",
                "faithful mode, or linear/compact and refuse/reflect",
            )
        if training.summed_gradients:
            raise _refusal("corrected mode with summed gradients", "faithful mode")
        if not training.inner_folds >= 2 or training.members > training.inner_folds:
            raise _refusal(
                f"{training.members} members of {training.inner_folds} inner folds",
                "at least 2 inner folds, and at most one member of each",
            )

    def label(self) -> str:
        """One line for every output: mode first."""
        mode = "corrected" if self.mode == "corrected" else "faithful, for comparison only"
        parts = []
        if "series" in self.branches:
            axis = ", 0.735 s a frame" if self.repetition_time_policy == "physical" else ""
            parts.append(f"series ({self.foundation} encoder, {self.normalisation}{axis})")
        if "connectivity" in self.branches:
            parts.append(f"connectivity ({self.connectivity}, {self.connectivity_encoder})")
        if "structural" in self.branches:
            parts.append(f"45 volumes ({self.structural_unit})")
        joined = " + ".join(parts) + (f", {self.fusion}" if len(parts) > 1 else "")
        return f"FMM_TC, {mode}: {joined}"

    def as_mapping(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"branches": list(self.branches)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> FmmTcSettings:
        """Read strictly what `as_mapping` wrote.

        Raises
        ------
        ModelError
            ``model.settings`` for unknown, missing or mistyped fields.
        """
        try:
            if set(values) != {one.name for one in fields(cls)}:
                raise TypeError("fields")
            if set(values["training"]) != {one.name for one in fields(FmmTcTraining)}:
                raise TypeError("training fields")
            training = FmmTcTraining(**values["training"])
            return cls(
                **(dict(values) | {"training": training, "branches": tuple(values["branches"])})
            ).check()
        except (TypeError, KeyError) as error:
            raise _refusal(
                "the stored settings are not those of this version", "a newer model"
            ) from error


def _refusal(what: str, wanted: str) -> ModelError:
    return ModelError(
        f"These settings do not make a model: {what}.", f"Use {wanted}.", code="model.settings"
    )
