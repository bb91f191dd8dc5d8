"""How far the number moves under other choices of the analysis, all from what the case holds.

The case keeps its parcel series before cleaning and every confound, so each variant cleans again
and asks the same model. Variants are marked hypotheticals: the model was made with one recipe,
and a variant's number is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.analysis.health import (
    LEAST_HALF,
    connectome_of_frames,
    frames_text,
    half_masks,
    windows_of,
)
from app.core.arrays import Bools, frozen
from app.core.errors import AppError
from app.core.explanation_health import TOKEN_ORDERS, Sensitivity, Variant
from app.core.progress import Progress
from app.core.results import Case, CleanSignals, Connectome
from app.preprocessing.cleaning import clean_series
from app.preprocessing.presets import CleaningPreset, find_preset

if TYPE_CHECKING:
    from app.models.bundle import Bundle

Ask = Callable[[CleanSignals, Connectome], float]
GLOBAL_SIGNAL = "global_signal"
NOT_CLEANED_HERE = "The series came cleaned, or by a recipe that is not this program's."


def sensitivity_of(case: Case, bundle: Bundle, progress: Progress) -> Sensitivity:
    """Ask the model again under every variant.

    Parameters
    ----------
    case
        With a number.
    bundle
        The model that gave it.
    progress
        Told between variants; a cancel takes hold there.
    """
    from app.models.alterations import log_odds_of
    from app.models.covariates import scan_covariates

    prediction, signals = case.prediction, case.signals
    assert prediction is not None
    assert prediction.log_odds is not None
    assert signals is not None
    covariates = scan_covariates(bundle.card.covariates, case.participant, signals)
    model = bundle.scan_model("cpu")

    def ask(some: CleanSignals, connectome: Connectome) -> float:
        return log_odds_of(model, some, connectome, covariates)

    found: list[Variant] = []
    for variant in _variants(case, bundle, ask):
        found.append(variant)
        progress.step(min(0.95, len(found) / 12), f"{variant.group}: {variant.name}")
    return Sensitivity(prediction.log_odds, cutoff_log_odds(bundle), tuple(found))


def cutoff_log_odds(bundle: Bundle) -> float:
    """The model's cut-off before calibration; NaN where calibration says the same to everybody."""
    calibration, cutoff = bundle.card.calibration, bundle.summary.cutoff
    if calibration.slope == 0:
        return float("nan")
    return float((np.log(cutoff / (1 - cutoff)) - calibration.intercept) / calibration.slope)


def _variants(case: Case, bundle: Bundle, ask: Ask) -> Iterator[Variant]:
    assert case.signals is not None
    assert case.connectome is not None
    yield from _cleaning(case.signals, case.connectome, ask)
    yield _repetition_time(case.signals, case.connectome, bundle, ask)
    yield from _windows(case, bundle)
    yield from _orders(case, bundle)
    yield from _halves(case.signals, case.connectome, ask)


def _cleaning(signals: CleanSignals, connectome: Connectome, ask: Ask) -> Iterator[Variant]:
    for group, name, change in (
        ("Global signal", "", _other_global_signal),
        ("Filter", "", _other_filter),
        ("Censoring", "every frame counts", None),
    ):
        preset = _own_preset(signals)
        if preset is None:
            yield Variant(group, name or "not varied", None, NOT_CLEANED_HERE)
            continue
        good = np.asarray(signals.good_frames, np.bool_)
        told = name
        if change is None:
            if good.all():
                yield Variant(group, told, None, "No frame of this scan was flagged.")
                continue
            good = np.ones_like(good)
        else:
            preset, told = change(preset)
        yield _told(group, told, partial(_again, ask, signals, connectome, preset, good))


def _own_preset(signals: CleanSignals) -> CleaningPreset | None:
    """The preset, if cleaning the raw series with it gives the case's own series again."""
    try:
        preset = find_preset(signals.preset)
        again = clean_series(
            signals.raw,
            signals.confounds,
            np.asarray(signals.good_frames, np.bool_),
            signals.repetition_time_s,
            preset,
        ).values
    except AppError:
        return None
    same = np.allclose(again, signals.cleaned, rtol=1e-4, atol=1e-4, equal_nan=True)
    return preset if same and preset.units == "percent" else None


def _other_global_signal(preset: CleaningPreset) -> tuple[CleaningPreset, str]:
    if GLOBAL_SIGNAL in preset.regressors:
        kept = tuple(name for name in preset.regressors if name != GLOBAL_SIGNAL)
        return replace(preset, regressors=kept), "not regressed out"
    return replace(preset, regressors=(*preset.regressors, GLOBAL_SIGNAL)), "regressed out"


def _other_filter(preset: CleaningPreset) -> tuple[CleaningPreset, str]:
    if preset.low_pass_hz is None:
        return replace(preset, low_pass_hz=0.1), "low-pass at 0.1 Hz as well"
    return replace(preset, low_pass_hz=None), "without the low-pass"


def _cleaned(
    signals: CleanSignals, connectome: Connectome, preset: CleaningPreset, good: Bools
) -> tuple[CleanSignals, Connectome]:
    values = clean_series(
        signals.raw, signals.confounds, good, signals.repetition_time_s, preset
    ).values
    other = replace(signals, cleaned=frozen(values), good_frames=frozen(good))
    return other, connectome_of_frames(other, good, connectome.kind)


def _repetition_time(
    signals: CleanSignals, connectome: Connectome, bundle: Bundle, ask: Ask
) -> Variant:
    """Frames as they are, or resampled to the repetition time the model was made with."""
    from app.models.repetition_time import resampled

    own, made = signals.repetition_time_s, bundle.contract.repetition_time_s
    policy = bundle.contract.repetition_time_policy
    name = f"resampled to {made:g} s" if policy == "frames" else "frames as they are"
    if abs(own - made) <= bundle.contract.repetition_time_tolerance_s:
        return Variant(
            "Repetition time", name, None,
            f"The scan has the model's own {made:g} s: both policies are the same.",
        )  # fmt: skip

    def work() -> float:
        values = resampled(np.nan_to_num(signals.cleaned), own, made)
        every = np.ones(len(values), np.bool_)
        other = replace(
            signals, cleaned=frozen(values), good_frames=frozen(every), repetition_time_s=made
        )
        return ask(other, connectome)

    return _told("Repetition time", name, work)


def _windows(case: Case, bundle: Bundle) -> Iterator[Variant]:
    signals, prediction = case.signals, case.prediction
    assert signals is not None
    assert prediction is not None
    frames = bundle.contract.window_frames
    starts, each = windows_of(signals, frames), prediction.log_odds_windows
    if each is None or len(each) != len(starts) or not starts:
        yield Variant("Windows", "each alone", None, "The scan is one window of the model.")
        return
    for start, value in zip(starts, np.asarray(each).tolist(), strict=True):
        yield Variant("Windows", frames_text(signals, start, frames), float(value))


def _orders(case: Case, bundle: Bundle) -> Iterator[Variant]:
    from app.models.alterations import absent_text, altered_models, log_odds_of
    from app.models.covariates import scan_covariates

    assert case.signals is not None
    assert case.connectome is not None
    covariates = scan_covariates(bundle.card.covariates, case.participant, case.signals)
    count = 0
    for number, other in altered_models(bundle.scan_model("cpu"), TOKEN_ORDERS):
        count += 1
        value = log_odds_of(other, case.signals, case.connectome, covariates)
        yield Variant("Token order", f"random order {number + 1}", value)
    if not count:
        yield Variant("Token order", "another order", None, absent_text(TOKEN_ORDERS))


def _halves(signals: CleanSignals, connectome: Connectome, ask: Ask) -> Iterator[Variant]:
    masks = half_masks(signals)
    for name, mask in zip(("first", "second"), masks, strict=True):
        text = f"connectivity of the {name} half"
        if connectome.kind == "gram" or int(mask.sum()) < LEAST_HALF:
            yield Variant("Split halves", text, None, "A half has too few good frames.")
            continue
        yield _told("Split halves", text, partial(_half, ask, signals, mask, connectome.kind))


def _half(ask: Ask, signals: CleanSignals, mask: Bools, kind: str) -> float:
    half = replace(signals, good_frames=frozen(mask))
    return ask(half, connectome_of_frames(half, mask, kind))


def _again(
    ask: Ask, signals: CleanSignals, connectome: Connectome, preset: CleaningPreset, good: Bools
) -> float:
    return ask(*_cleaned(signals, connectome, preset, good))


def _told(group: str, name: str, work: Callable[[], float]) -> Variant:
    """A variant, or the reason why it has no number."""
    try:
        return Variant(group, name, work())
    except AppError as error:
        return Variant(group, name, None, error.message)
