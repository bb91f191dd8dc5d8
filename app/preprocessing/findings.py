"""What the chain decided or fell back to, as findings for the record of a case."""

from __future__ import annotations

from app.core.results import Finding, Motion, Severity
from app.preprocessing.placement import Placed
from app.preprocessing.sampling import SampledSeries
from app.preprocessing.slice_timing import SliceTimingPlan


def chain_findings(
    plan: SliceTimingPlan,
    motion: Motion,
    placed: Placed,
    sampled: SampledSeries,
    device: str,
) -> tuple[Finding, ...]:
    """Every decision and fallback; a fallback is never silent."""
    found = [plan.finding()]
    if motion.fallback_frames:
        found.append(
            Finding(
                "preprocessing.motion_fallback",
                Severity.NOTE,
                f"{len(motion.fallback_frames)} of {len(motion.retried_frames)} hard frames were "
                "aligned by the fallback (ants).",
            )
        )
    if motion.uncertain_frames:
        found.append(
            Finding(
                "preprocessing.motion_uncertain",
                Severity.WARNING,
                f"{len(motion.uncertain_frames)} frames could not be aligned with confidence; "
                "they are flagged and do not count.",
            )
        )
    found += [
        Finding("preprocessing.brain_mask_fallback", Severity.WARNING, note)
        for note in placed.mask.notes
    ]
    found += [
        Finding("preprocessing.registration", Severity.NOTE, note)
        for note in placed.spatial_map.notes
    ]
    if sampled.interpolation != "cubic B-spline":
        found.append(
            Finding(
                "preprocessing.interpolation_fallback",
                Severity.WARNING,
                f"The volumes were read with {sampled.interpolation} interpolation instead of a "
                "cubic B-spline; parcel series are smoother than usual.",
            )
        )
    for what, used in (("Motion", motion.device), ("Sampling", sampled.device)):
        if device == "cuda" and used != "cuda":
            found.append(
                Finding(
                    "preprocessing.device_fallback",
                    Severity.NOTE,
                    f"{what} ran on the processor: the graphics card had no room for it.",
                )
            )
    return tuple(found)
