"""The recipe's steps in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of preprocessing: its name (also the stage name of progress), and what it does."""

    name: str
    does: str
    seconds: float = 1.0  # typical share of the time, for progress
    version: int = 1  # raise it when the numbers that the step gives change
    needs_t1: bool = False


STEPS = (
    Step("steady_state", "finds the first frame with settled magnetisation", 0.1, 2),
    Step("motion", "estimates rigid head motion on the raw volumes", 3.5, 2),
    Step("reference", "averages the motion-corrected volumes", 1.0),
    Step("brain_mask", "finds the brain in the reference volume", 1.0),
    Step("registration", "brings the reference to the atlas's template directly", 6.0),
    Step("anatomy", "the same through the T1 image; the better of the two is kept", 25.0, 1, True),
    Step("slice_timing", "moves every slice to one moment, where the preset asks for it", 0.3),
    Step("sampling", "reads each parcel's points once, through one cubic B-spline", 4.0),
    Step("confounds", "head motion, white matter, CSF, CompCor, DVARS; fMRIPrep's names", 0.5),
    Step("cleaning", "interpolates flagged frames, filters, regresses", 0.1),
    Step("quality", "compares every metric with its limit; the worst decides", 0.5),
)


def stage_weights(*, with_t1: bool = False) -> dict[str, float]:
    """Expected seconds of each step that a run goes through, for `Progress`."""
    return {step.name: step.seconds for step in STEPS if with_t1 or not step.needs_t1}


def step_version(name: str) -> int:
    """Version of a step, part of the key of its results."""
    return next(step.version for step in STEPS if step.name == name)
