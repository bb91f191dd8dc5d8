"""The recipe's steps in order, and the ones that this version does not have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of preprocessing: its name (also the stage name of progress), and what it does."""

    name: str
    does: str
    available: bool = True
    seconds: float = 1.0  # typical share of the time, for progress


STEPS = (
    Step("steady_state", "finds the first frame with settled magnetisation", seconds=0.1),
    Step("motion", "estimates rigid head motion on the raw volumes", seconds=3.5),
    Step("slice_timing", "not in this version: volumes are used as they were acquired", False, 0.0),
    Step("reference", "averages the motion-corrected volumes", seconds=1.0),
    Step("brain_mask", "finds the brain in the reference volume", seconds=1.0),
    Step("registration", "brings the reference to the atlas's template directly", seconds=6.0),
    Step("anatomy", "not in this version: a T1 image is found but not used", False, 0.0),
    Step("sampling", "reads each parcel's points once, through one cubic B-spline", seconds=4.0),
    Step("confounds", "head motion, white matter, CSF, DVARS; fMRIPrep's names", seconds=0.5),
    Step("cleaning", "interpolates flagged frames, filters, regresses", seconds=0.1),
    Step("quality", "compares every metric with its limit; the worst decides", seconds=0.5),
)


def stage_weights() -> dict[str, float]:
    """Expected seconds of each available step, for `Progress`."""
    return {step.name: step.seconds for step in STEPS if step.available}
