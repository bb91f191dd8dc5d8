"""A case cleaned by the recipe's own cleaning, with a spike at volume 50; views tried by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QTabWidget

from app.connectome.connectivity import pearson_connectivity
from app.core.arrays import frozen
from app.core.results import Outcome
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase, Session
from app.gui.views import (
    MotionView,
    TimeSeriesView,
)
from app.gui.widgets.view import View
from app.preprocessing.cleaning import clean_series, good_frames
from app.preprocessing.presets import find_preset
from app.preprocessing.quality import judge_known
from app.study.case_store import write_case
from tests.sample_case import FIRST_FRAME, FRAMES, sample_case, sample_view_files

Key = Qt.Key
Shown = TypeVar("Shown", bound=View)
LEFT = Qt.MouseButton.LeftButton
SPIKE = 50 - FIRST_FRAME  # row of volume 50


def write_live_case(place: Path) -> Path:
    """A case that was cleaned by the recipe's own cleaning, with a spike at volume 50."""
    case, rng = sample_case(Outcome.RESULT), np.random.default_rng(5)
    assert case.signals is not None
    signals, preset = case.signals, find_preset(case.signals.preset)
    names = [name for name in preset.regressors if name not in signals.confounds]
    confounds = {**signals.confounds, **{n: frozen(rng.normal(size=FRAMES)) for n in names}}
    moved, jumped = (np.array(confounds[n]) for n in ("framewise_displacement", "std_dvars"))
    moved[SPIKE], jumped[SPIKE] = 2.4, 4.2
    confounds |= {"framewise_displacement": frozen(moved), "std_dvars": frozen(jumped)}
    confounds["dvars"] = frozen(30.0 * jumped)
    raw = np.array(signals.raw)
    raw[SPIKE] *= 1.06
    good = good_frames(confounds, preset)
    made = clean_series(raw, confounds, good, 2.0, preset)
    connectome = pearson_connectivity(made.values, good)
    signals = replace(
        signals,
        raw=frozen(raw),
        cleaned=frozen(made.values),
        good_frames=frozen(good),
        confounds=confounds,
        residual_degrees_of_freedom=made.residual_degrees_of_freedom,
    )
    quality = judge_known(
        {
            "mean_fd_power_mm": float(np.nanmean(moved)),
            "flagged_percent": 100.0 * float(1.0 - good.mean()),
            "usable_time_s": 2.0 * float(good.sum()),
            "frames": float(FRAMES),
            "residual_degrees_of_freedom": made.residual_degrees_of_freedom,
        }
    )
    case = replace(
        case, case_id="5a3c0de00000000a", signals=signals, quality=quality, connectome=connectome
    )
    files = sample_view_files()
    before = np.array(files["view/carpet_before.npy"])
    before[:, SPIKE] += 4.0
    return write_case(case, place, files={**files, "view/carpet_before.npy": before})


def view_of(window: MainWindow, step: str, kind: type[Shown], qtbot: Any) -> Shown:
    """A view of a page, brought to the front where it stands behind a tab."""
    window.show_step(step)
    found = window.page(step).findChild(kind)
    assert found is not None
    inside = found.parentWidget()
    while inside is not None and not isinstance(inside, QTabWidget):
        inside = inside.parentWidget()
    if inside is not None:
        inside.setCurrentWidget(found)
    qtbot.wait(30)
    return found  # type: ignore[no-any-return]


def case_of(session: Session) -> OpenCase:
    assert session.case is not None
    return session.case


def connectivity(session: Session) -> Any:
    connectome = case_of(session).case.connectome
    assert connectome is not None
    return np.asarray(connectome.matrix)


def click_frame(view: MotionView | TimeSeriesView, frame: float, qtbot: Any) -> None:
    at = view.mouse.point_of(frame).toPoint()
    qtbot.mouseClick(view.graphics.viewport(), LEFT, pos=at)


def drag_frames(
    view: MotionView | TimeSeriesView,
    first: float,
    last: float,
    qtbot: Any,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    viewport = view.graphics.viewport()
    ends = [view.mouse.point_of(frame).toPoint() for frame in (first, last)]
    qtbot.mousePress(viewport, LEFT, modifier, ends[0])
    qtbot.mouseMove(viewport, QPoint((ends[0].x() + ends[1].x()) // 2, ends[0].y()))
    qtbot.mouseMove(viewport, ends[1])
    qtbot.mouseRelease(viewport, LEFT, modifier, ends[1])
