"""Pain before and after the simulated treatment, as a study would have written it down.

Drawn from a random stream of its own, so that nothing else of a cohort depends on it. A fall of
at least 30 % of the rating before treatment is exactly the simulator's responder; how much more or
less somebody falls is noise that no brain carries.
"""

from __future__ import annotations

import numpy as np

from app.simulation.cohort import ParticipantTruth

FALL_RESPONDER, FALL_OTHER, FALL_SD = 0.50, 0.08, 0.12  # share of the rating before treatment
THRESHOLD = 0.30
LOWEST_BEFORE = 1.0  # so that a fall can be stated as a share
SIMULATED_ARM, SIMULATED_TIME_POINT = "single arm, simulated", "simulated week 4"


def pain_before(person: ParticipantTruth) -> float:
    """Rating before treatment, 1 to 10, in tenths."""
    return max(round(person.baseline_pain, 1), LOWEST_BEFORE)


def pain_ratings(person: ParticipantTruth) -> tuple[float, float]:
    """Rating before and after treatment, 0 to 10, the second in thousandths.

    Parameters
    ----------
    person
        With a label; of people without one there is no rating after treatment.
    """
    rng = np.random.default_rng([person.seed, person.index, 909])
    before = pain_before(person)
    middle = FALL_RESPONDER if person.responder else FALL_OTHER
    fall = float(middle + FALL_SD * rng.standard_normal())
    low, high = (THRESHOLD + 0.005, 1.0) if person.responder else (-0.5, THRESHOLD - 0.005)
    after = before * (1.0 - float(np.clip(fall, low, high)))
    return before, round(min(after, 10.0), 3)
