"""One value a parcel, ready to draw: colours, threshold and what the bar must say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QLabel

from app.core import wording
from app.core.arrays import Bools, Floats
from app.core.colour_maps import SIGNED_MAPS, LayerScale, as_layer_scale
from app.core.colours import CORRELATION_LIMIT, MagnitudeScale, SignedScale, signed_scale
from app.core.explanation_wording import METHOD_LETTERS, METHOD_NAMES, frames_map, headed, titled
from app.core.sides import side_word, without_side
from app.gui.session import OVERLAYS, OpenCase, Session
from app.gui.view_state import SCAN_OVERLAYS, SERIES_OVERLAYS
from app.gui.view_state.slices import Layer
from app.preprocessing.quality import PARCEL_COVERAGE_LIMIT


@dataclass(frozen=True, slots=True)
class Overlay:
    """A map over parcels with the scale that all views share."""

    kind: str
    title: str
    values: Floats  # (parcel,)
    scale: SignedScale | MagnitudeScale | LayerScale
    shown: Bools  # (parcel,) at or above the threshold
    disagreeing: Bools  # (parcel,) hatched
    baseline: str = ""  # of a map (b) that is not the answer's own

    @property
    def hidden_text(self) -> str:
        """Such as "381 of 426 parcels below threshold"."""
        if self.kind == "coverage":
            return coverage_text(self.values / 100.0)
        return wording.hidden_text(int((~self.shown).sum()), len(self.values), "parcels")

    def rgb(self) -> NDArray[np.uint8]:
        """(parcel, 3) colours, whether shown or not."""
        return self.scale.rgb(self.values).astype(np.uint8)


def parcel_values(opened: OpenCase, kind: str, parcel: int | None) -> Floats | None:
    """(parcel,) values of a kind of overlay; None where the case has none.

    Connections count half for each of their two ends, so that the parcels of (a) and (b)
    add up to the whole attribution.
    """
    if kind == "seed":
        connectome = opened.case.connectome
        if connectome is None or parcel is None:
            return None
        row: Floats = np.asarray(connectome.matrix[parcel], dtype=float)
        return row
    found = opened.attribution
    if found is None or kind == "none":
        return None
    if kind == "scan":
        return np.asarray(found.scan.per_parcel, dtype=float)
    if kind == "scan_series":
        return np.asarray(found.scan.per_parcel_series, dtype=float)
    if kind == "series":
        return np.asarray(found.branches.per_parcel_series, dtype=float)
    if kind == "connectivity":
        half: Floats = 0.5 * np.asarray(found.branches.per_connection, dtype=float).sum(axis=1)
        return half
    return np.asarray(found.branches.per_parcel, dtype=float)


def current_overlay(session: Session) -> Overlay | None:
    """The overlay that the session's display asks for, or None."""
    display, kind = session.display, session.display.overlay
    opened = drawn_case(session, kind)
    if opened is None:
        return None
    values = parcel_values(opened, kind, session.parcel)
    if values is None:
        return None
    title = OVERLAYS[kind]
    frames = session.state.selection.frames
    if kind in SERIES_OVERLAYS and frames is not None:
        values, title = _of_frames(opened, kind, *frames)
    if kind == "seed" and session.parcel is not None:
        title = seed_title(opened, session.parcel)
    layer = replace(session.state.slices.shared, top_share=1.0 - display.hidden_share)
    return _overlay(opened, kind, title, values, layer)


def drawn_case(session: Session, kind: str) -> OpenCase | None:
    """The case whose map of a kind is drawn: another baseline changes maps (b) only."""
    return session.drawn if kind in SCAN_OVERLAYS else session.case


def layer_overlay(session: Session, layer: Layer) -> Overlay | None:
    """A parcel map of its own: an attribution, or the correlation of every parcel with one."""
    kind, _, number = layer.source.partition(":")
    parcel = int(number) if number.isdecimal() else None
    opened = drawn_case(session, kind)
    if opened is None or kind not in OVERLAYS:
        return None
    values = parcel_values(opened, kind, parcel)
    if values is None:
        return None
    title = seed_title(opened, parcel) if parcel is not None else OVERLAYS[kind]
    return _overlay(opened, kind, title, values, layer)


def seed_title(opened: OpenCase, parcel: int) -> str:
    """Such as "Seed: 31pv, left"."""
    signals = opened.case.signals
    if signals is None or parcel >= len(signals.parcel_names):
        return "Seed"
    name = without_side(signals.parcel_names[parcel]).replace("_", " ")
    return f"Seed: {name}, {side_word(signals.hemispheres[parcel])}"


def _overlay(opened: OpenCase, kind: str, title: str, values: Floats, layer: Layer) -> Overlay:
    top = max(layer.top_share, 1.0 / len(values))
    scale = signed_scale(values, top_share=top)
    if kind == "seed":
        scale = SignedScale(CORRELATION_LIMIT, scale.threshold, "Pearson r")
    if layer.threshold is not None:
        scale = SignedScale(max(scale.limit, layer.threshold), layer.threshold, scale.unit)
    agreed = np.zeros(len(values), dtype=bool)
    hatched = agreed if opened.hatched is None or kind == "seed" else opened.hatched
    made = Overlay(
        kind,
        titled(title, opened.baseline),
        values,
        scale,
        scale.shown(values),
        np.asarray(hatched, dtype=bool),
        opened.baseline,
    )
    return replace(made, scale=styled(made, layer))


def styled(overlay: Overlay, layer: Layer) -> LayerScale:
    """The overlay's scale with the colour map and the range of a layer."""
    return ranged(as_layer_scale(overlay.scale), layer)


def ranged(scale: LayerScale, layer: Layer) -> LayerScale:
    """An automatic scale with a layer's colour map and the ends that were typed.

    A symmetric range has its low end at the negative of the high one.
    """
    signed = layer.colour_map in SIGNED_MAPS
    high = scale.high if layer.high is None else layer.high
    if layer.symmetric and signed:
        low = -high
    elif layer.low is not None:
        low = layer.low
    else:
        low = scale.low if signed else 0.0
    if not low < high:
        low = high - max(abs(high), 1.0)
    return replace(scale, colour_map=layer.colour_map, low=low, high=high)


def follows_frames(session: Session) -> bool:
    """Whether the overlay that all views share is of the selected frames."""
    return session.display.overlay in SERIES_OVERLAYS and session.case is not None


def _of_frames(opened: OpenCase, kind: str, first: int, last: int) -> tuple[Floats, str]:
    """The series map of some frames, and its title with them and their resolution.

    Frames that the model did not read have no part in it.
    """
    found, signals = opened.attribution, opened.case.signals
    assert found is not None
    assert signals is not None
    branch, letter = (found.branches, "(a)") if kind == "series" else (found.scan, "(b)")
    start, count = signals.first_frame, branch.per_parcel_frame.shape[1]
    title = f"{letter} time series, volumes {start + first} to {start + last} (first = 0)"
    if found.patch_frames:
        title += f", in patches of {found.patch_frames}"
    if first >= count:
        return np.zeros(len(signals.parcel_names)), f"{title}: not read by the model"
    if last >= count:
        title += f"; the model read up to {start + count - 1}"
    return frames_map(branch, first, min(last, count - 1)), title


def name_method(label: QLabel, title: str, overlay: Overlay | None) -> None:
    """Write a view's title with the method that its colours come from, in full when hovered."""
    kind = overlay.kind if overlay is not None else "none"
    method = "branches" if kind in ("series", "connectivity") else kind
    method = "scan" if kind in SCAN_OVERLAYS else method
    letter = METHOD_LETTERS.get(method, "")
    baseline = overlay.baseline if overlay is not None else ""
    label.setText(headed(f"{title} {letter}".strip(), baseline))
    label.setToolTip(METHOD_NAMES.get(method, ""))


def coverage_text(coverage: Floats) -> str:
    """How many parcels, of shares 0..1, the scan covers partly or not at all, in words."""
    values = np.asarray(coverage, dtype=float)
    missing = int((values <= 0.0).sum())
    partly = int((values < 1.0).sum()) - missing
    if not missing and not partly:
        return f"all {values.size} parcels fully covered"
    return f"{partly} of {values.size} parcels partly covered, {missing} missing"


def coverage_overlay(opened: OpenCase) -> Overlay | None:
    """Parcels that the scan does not cover wholly, in percent; missing ones are hatched."""
    signals = opened.case.signals
    if signals is None:
        return None
    values = 100.0 * np.asarray(signals.coverage, dtype=float)
    return Overlay(
        "coverage",
        "Coverage",
        values,
        MagnitudeScale(100.0, "covered, %", 100.0 * PARCEL_COVERAGE_LIMIT),
        np.asarray(values < 100.0, dtype=bool),
        np.asarray(values <= 0.0, dtype=bool),
    )
