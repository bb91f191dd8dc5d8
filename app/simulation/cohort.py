"""Who takes part: labels, traits and covariates of simulated participants.

Each participant depends on the cohort's seed and the own index alone, never on how many others
there are or on the order in which they are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.errors import AppError
from app.simulation.signature import BASE_RATE, CLASS_SEPARATION, SUPPRESSOR_SD

CONFOUNDS = ("none", "age", "sex", "baseline_pain", "motion", "site")
SITES = ("site-1", "site-2")
AGE_SD_YEARS = 13.0
PAIN_SD = 1.6
MOTION_LOG_SD = 0.35


@dataclass(frozen=True, slots=True)
class CohortSettings:
    """What a simulated cohort looks like.

    Strengths are factors on the fixed defaults of `signature`; 0 switches that part off.
    With `null` the traits carry no label at all. `confound` names the covariate that differs
    between responders and non-responders by `confound_strength` standard deviations (for sex
    and site: by that many times 0.2 in probability, to each side). With `labelled` False the
    participants are pain-agnostic, for pre-training: same brains, no label.
    """

    count: int = 40
    seed: int = 1
    connectivity_strength: float = 1.0
    dynamics_strength: float = 1.0
    suppressor_strength: float = 1.0
    null: bool = False
    confound: str = "none"
    confound_strength: float = 1.0
    labelled: bool = True
    repetition_time_s: float = 2.0
    frames: int = 240

    def __post_init__(self) -> None:
        if self.confound not in CONFOUNDS:
            raise AppError(
                f"Unknown confound '{self.confound}'.",
                f"Choose one of: {', '.join(CONFOUNDS)}.",
                code="simulation.settings",
            )
        if self.count < 1 or self.frames < 2 or self.repetition_time_s <= 0:
            raise AppError(
                "A simulated cohort needs at least 1 participant, 2 frames and a repetition "
                "time above 0 s.",
                f"Got {self.count}, {self.frames} and {self.repetition_time_s}.",
                code="simulation.settings",
            )


@dataclass(frozen=True, slots=True)
class ParticipantTruth:
    """Everything that is drawn once for a person; the series and the scan follow from it."""

    index: int
    seed: int  # of the cohort
    responder: bool | None  # None = pain-agnostic
    trait_connectivity: float
    trait_dynamics: float
    suppressor_connectivity: float
    suppressor_dynamics: float
    age_years: float
    sex: str
    baseline_pain: float
    site: str
    motion_level: float  # 1 = median person
    anatomy_seed: int
    brain_seed: int  # individual covariance and spectrum
    scan_seed: int  # what happened during this scan

    @property
    def label(self) -> str:
        """Pseudonym in BIDS spelling."""
        return f"sub-{self.index:04d}"


def draw_participant(settings: CohortSettings, index: int) -> ParticipantTruth:
    """Draw participant `index` (from 0) of a cohort.

    Parameters
    ----------
    settings
        The cohort; `count` has no influence here.
    index
        Any number from 0.
    """
    rng = np.random.default_rng([settings.seed, index, 11])
    # the label comes first, so that every cohort of one seed has the same labels
    responder = bool(rng.random() < BASE_RATE)
    side = (0.5 if responder else -0.5) if settings.labelled else 0.0
    effect = 0.0 if settings.null else CLASS_SEPARATION * side
    traits = rng.standard_normal(2) + effect * np.array(
        [settings.connectivity_strength, settings.dynamics_strength]
    )
    suppressors = rng.standard_normal(2) * SUPPRESSOR_SD * settings.suppressor_strength
    shift = dict.fromkeys(CONFOUNDS, 0.0)
    shift[settings.confound] = side * settings.confound_strength
    normal = rng.standard_normal(3)
    uniform = rng.random(2)
    seeds = rng.integers(0, 2**31 - 1, size=3)
    return ParticipantTruth(
        index=index,
        seed=settings.seed,
        responder=responder if settings.labelled else None,
        trait_connectivity=float(traits[0]),
        trait_dynamics=float(traits[1]),
        suppressor_connectivity=float(suppressors[0]),
        suppressor_dynamics=float(suppressors[1]),
        age_years=round(float(np.clip(55 + AGE_SD_YEARS * (normal[0] + shift["age"]), 20, 88)), 1),
        sex="F" if uniform[0] < 0.55 + 0.4 * shift["sex"] else "M",
        baseline_pain=round(
            float(np.clip(6.0 + PAIN_SD * (normal[1] + shift["baseline_pain"]), 0, 10)), 1
        ),
        site=SITES[0] if uniform[1] < 0.5 + 0.4 * shift["site"] else SITES[1],
        motion_level=float(np.exp(MOTION_LOG_SD * (normal[2] + shift["motion"]))),
        anatomy_seed=int(seeds[0]),
        brain_seed=int(seeds[1]),
        scan_seed=int(seeds[2]),
    )


def draw_cohort(settings: CohortSettings) -> tuple[ParticipantTruth, ...]:
    """Draw all participants of a cohort, in index order."""
    return tuple(draw_participant(settings, index) for index in range(settings.count))
