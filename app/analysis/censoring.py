"""Frames that a person leaves out by hand: in the recipe, and at once on a case that is open.

Such frames are treated as flagged ones are: they take no part in the fit of the confounds and do
not count for connectivity. Flags that the recipe sets stay; a hand can only leave out more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from app.connectome.connectivity import gram_connectivity, pearson_connectivity
from app.core.arrays import Bools, frozen
from app.core.errors import AppError
from app.core.frames import frames_text
from app.core.results import (
    CENSORED,
    Case,
    CleanSignals,
    Connectome,
    Finding,
    QualityReport,
    Severity,
)
from app.preprocessing.cleaning import clean_series
from app.preprocessing.presets import PRESETS, CleaningPreset, find_preset
from app.preprocessing.quality import judge_again


@dataclass(frozen=True, slots=True)
class Recensored:
    """What changes at once when other frames are left out; a number needs a new run."""

    signals: CleanSignals
    connectome: Connectome | None
    quality: QualityReport | None
    recleaned: bool  # False: the confounds needed for a new fit are not in the case


def censored_frames(case: Case) -> tuple[int, ...]:
    """Frames of the file (first = 0) that were left out by hand when this case was made."""
    told = case.provenance.parameters.get(CENSORED, ()) if case.provenance is not None else ()
    return tuple(int(frame) for frame in told) if isinstance(told, list | tuple) else ()


def without_censored(good: Bools, first_frame: int, censored: Iterable[int]) -> Bools:
    """(frame,) `good` with the frames of the file that are left out by hand set to False."""
    frames = np.arange(first_frame, first_frame + len(good))
    kept: Bools = np.asarray(good, bool) & ~np.isin(frames, list(censored))
    return kept


def check_censored(censored: tuple[int, ...], frame_count: int) -> None:
    """Refuse frames that the file does not have.

    Raises
    ------
    AppError
        ``scan.censored_frames``.
    """
    outside = [frame for frame in censored if not 0 <= frame < frame_count]
    if outside:
        raise AppError(
            f"Frames to leave out that the scan does not have: {frames_text(outside)}.",
            f"Its volumes are counted from 0 to {frame_count - 1}.",
            code="scan.censored_frames",
        )


def censoring_findings(censored: tuple[int, ...]) -> tuple[Finding, ...]:
    """Says which frames were left out by hand; nothing where none were."""
    if not censored:
        return ()
    what = "1 frame was" if len(censored) == 1 else f"{len(censored)} frames were"
    return (
        Finding(
            "scan.censored_by_hand",
            Severity.WARNING,
            f"{what} left out by hand: {frames_text(censored)} (volumes in the file, first = 0).",
            "They count as flagged: not used for cleaning and connectivity.",
        ),
    )


def recensored(case: Case, censored: Iterable[int]) -> Recensored:
    """Signals, connectivity and gates of a case as if it had been made without these frames.

    The series are cleaned again from the case's raw parcel series, so connectivity is the one
    that a new run gives. Gates that rest on frames follow; temporal signal-to-noise needs the
    voxels and stays as it was measured.

    Parameters
    ----------
    case
        With signals.
    censored
        Frames of the file (first = 0) to leave out by hand, in place of those of the case.
    """
    signals = case.signals
    assert signals is not None
    flagged_by_recipe = _recipe_good(case)
    good = without_censored(flagged_by_recipe, signals.first_frame, censored)
    preset = _preset_of(signals)
    cleaned = np.asarray(signals.cleaned)
    freedom = signals.residual_degrees_of_freedom
    again = preset is not None and all(name in signals.confounds for name in preset.regressors)
    again = again and signals.units == "percent"
    if again and preset is not None and not np.array_equal(good, signals.good_frames):
        made = clean_series(
            np.asarray(signals.raw), signals.confounds, good, signals.repetition_time_s, preset
        )
        cleaned, freedom = np.asarray(made.values), made.residual_degrees_of_freedom
    changed = replace(
        signals,
        cleaned=frozen(cleaned),
        good_frames=frozen(good),
        residual_degrees_of_freedom=freedom,
    )
    return Recensored(changed, _connectome(case, changed), _quality(case, changed), again)


def _recipe_good(case: Case) -> Bools:
    """Frames that the recipe itself lets count, whatever was left out by hand in this case.

    A frame that both the recipe and a hand leave out cannot be told apart from one that only a
    hand does, except by the limits; so the limits are applied to it again.
    """
    signals = case.signals
    assert signals is not None
    by_hand = [frame - signals.first_frame for frame in censored_frames(case)]
    good = np.array(signals.good_frames, bool)
    preset = _preset_of(signals)
    uncertain = case.motion.uncertain_frames if case.motion is not None else ()
    for row in by_hand:
        if 0 <= row < len(good) and row + signals.first_frame not in uncertain:
            good[row] = preset is None or not _over_limit(signals, row, preset)
    return good


def _over_limit(signals: CleanSignals, row: int, preset: CleaningPreset) -> bool:
    limits = {
        "framewise_displacement": preset.flag_fd_power_mm,
        "std_dvars": preset.flag_std_dvars,
    }
    return any(
        float(np.nan_to_num(signals.confounds[name][row])) > limit
        for name, limit in limits.items()
        if name in signals.confounds
    )


def _preset_of(signals: CleanSignals) -> CleaningPreset | None:
    known = signals.preset in {preset.name for preset in PRESETS}
    return find_preset(signals.preset) if known else None


def _connectome(case: Case, signals: CleanSignals) -> Connectome | None:
    if case.connectome is None:
        return None
    if case.connectome.kind == "gram":  # as trained: every frame counts
        return gram_connectivity(np.asarray(signals.cleaned))
    return pearson_connectivity(np.asarray(signals.cleaned), np.asarray(signals.good_frames))


def _quality(case: Case, signals: CleanSignals) -> QualityReport | None:
    if case.quality is None:
        return None
    good = np.asarray(signals.good_frames)
    values = {
        "flagged_percent": 100.0 * float(1.0 - good.mean()),
        "usable_time_s": float(good.sum()) * signals.repetition_time_s,
        "residual_degrees_of_freedom": signals.residual_degrees_of_freedom,
    }
    return judge_again(case.quality, values)
