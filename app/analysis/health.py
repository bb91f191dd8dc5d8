"""Explanation health of one case: which repeats there are, and what they are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from app.connectome.connectivity import gram_connectivity, pearson_connectivity
from app.core.arrays import Bools, frozen
from app.core.explanation_health import (
    HALVES,
    RANDOM_WEIGHTS,
    SHUFFLED_LABELS,
    TOKEN_ORDERS,
    WINDOWS,
    ExplanationHealth,
)
from app.core.progress import Progress
from app.core.results import Case, CleanSignals, Connectome

if TYPE_CHECKING:
    from app.attribution.health import Altered
    from app.models.answer import ScanModel
    from app.models.bundle import Bundle

LEAST_HALF = 30  # good frames of a half; a correlation of fewer says little


def health_of(case: Case, bundle: Bundle, device: str, progress: Progress) -> ExplanationHealth:
    """Draw the map again under every choice that should not matter, and judge it.

    Parameters
    ----------
    case
        Explained.
    bundle
        The model that answered.
    device
        "auto", "cuda", "mps" or "cpu".
    progress
        Told between nodes; a cancel takes hold there.
    """
    from app.attribution.health import judge
    from app.models.alterations import (
        NO_UNIVARIATE,
        UNIVARIATE_TEXT,
        univariate_rows,
    )
    from app.models.features import window_starts

    signals, connectome, shown = case.signals, case.connectome, case.attribution
    assert signals is not None
    assert connectome is not None
    assert shown is not None
    missing: list[str] = []

    def work(where: str, _batch: int) -> ExplanationHealth:
        missing.clear()
        model = bundle.scan_model(where)
        functions = model.scan_functions(signals, connectome)
        if functions is None:
            raise AssertionError("an explained model has functions")
        repeats = [
            *_windows(model, case, bundle.contract.window_frames, missing),
            *_altered(model, case, TOKEN_ORDERS, missing),
            *_halves(model, case, missing),
        ]
        ignorant = [
            *_altered(model, case, RANDOM_WEIGHTS, missing),
            *_altered(model, case, SHUFFLED_LABELS, missing),
        ]
        judged = judge(functions, shown, repeats, ignorant, progress)
        rows = univariate_rows(bundle, signals.networks)
        return ExplanationHealth(
            judged.repeats,
            frozen(judged.stability),
            frozen(judged.connection_stability),
            judged.sanity,
            rows,
            UNIVARIATE_TEXT if rows else NO_UNIVARIATE,
            tuple(missing),
            elsewhere=judged.elsewhere,
        )

    starts = window_starts(len(signals.cleaned), bundle.contract.window_frames)
    found, _, _ = bundle.on_device(work, device, windows=len(starts), backward=True)
    return found


def connectome_of_frames(signals: CleanSignals, frames: Bools, kind: str) -> Connectome:
    """Connectivity of some of a scan's good frames, by the same measure as the scan's own."""
    if kind == "gram":
        return gram_connectivity(np.asarray(signals.cleaned)[frames])
    return pearson_connectivity(
        signals.cleaned, np.asarray(np.asarray(signals.good_frames) & frames, np.bool_)
    )


def part_of(signals: CleanSignals, first: int, count: int) -> CleanSignals:
    """A scan that is `count` of this scan's frames, from `first` on."""
    rows = slice(first, first + count)
    return replace(
        signals,
        raw=frozen(np.asarray(signals.raw)[rows]),
        cleaned=frozen(np.asarray(signals.cleaned)[rows]),
        good_frames=frozen(np.asarray(signals.good_frames)[rows]),
        confounds={key: frozen(np.asarray(v)[rows]) for key, v in signals.confounds.items()},
        first_frame=signals.first_frame + first,
    )


def half_masks(signals: CleanSignals) -> tuple[Bools, Bools]:
    """(frame,) masks of the first and the second half of the good frames."""
    good = np.asarray(signals.good_frames, np.bool_)
    later = np.cumsum(good) > good.sum() / 2
    return np.asarray(good & ~later), np.asarray(good & later)


def windows_of(signals: CleanSignals, window_frames: int) -> tuple[int, ...]:
    """First frames of the model's windows; none where the scan is a single window."""
    from app.models.features import window_starts

    starts = window_starts(len(signals.cleaned), window_frames)
    return starts if len(starts) > 1 else ()


def frames_text(signals: CleanSignals, first: int, count: int) -> str:
    """ "frames 4 to 203 (first = 0)", as the file counts them."""
    start = signals.first_frame + first
    return f"frames {start} to {start + count - 1} (first = 0)"


def _windows(
    model: ScanModel, case: Case, window_frames: int, missing: list[str]
) -> Iterator[Altered]:
    from app.attribution.health import Altered

    signals, connectome = case.signals, case.connectome
    assert signals is not None
    assert connectome is not None
    starts = windows_of(signals, window_frames)
    if not starts:
        missing.append("Windows: the scan is a single window of the model.")
    for start in starts:
        part = part_of(signals, start, window_frames)
        everything = np.ones(window_frames, np.bool_)
        functions = model.scan_functions(
            part, connectome_of_frames(part, everything, connectome.kind)
        )
        if functions is not None:
            yield Altered(WINDOWS, frames_text(signals, start, window_frames), functions)


def _halves(model: ScanModel, case: Case, missing: list[str]) -> Iterator[Altered]:
    """Connectivity of half of the frames; the series stay whole, which fill whole windows."""
    from app.attribution.health import Altered

    signals, connectome = case.signals, case.connectome
    assert signals is not None
    assert connectome is not None
    masks = half_masks(signals)
    if connectome.kind == "gram" or min(int(mask.sum()) for mask in masks) < LEAST_HALF:
        missing.append(f"Split halves: a half has fewer than {LEAST_HALF} good frames to use.")
        return
    for name, mask in zip(("first", "second"), masks, strict=True):
        half = replace(signals, good_frames=frozen(mask))
        functions = model.scan_functions(half, connectome_of_frames(half, mask, connectome.kind))
        if functions is not None:
            # the halves' masks touch neither series nor references
            yield Altered(HALVES, f"connectivity of the {name} half", functions, same_series=True)


def _altered(model: ScanModel, case: Case, kind: str, missing: list[str]) -> Iterator[Altered]:
    from app.attribution.health import Altered
    from app.models.alterations import absent_text, altered_models

    assert case.signals is not None
    assert case.connectome is not None
    count = 0
    for number, other in altered_models(model, kind):
        functions = other.scan_functions(case.signals, case.connectome)
        if functions is not None:
            count += 1
            yield Altered(kind, f"{number + 1}", functions)
    if not count:
        missing.append(absent_text(kind))
