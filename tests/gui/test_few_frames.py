"""A run of which head motion left three frames: the reason stands where a picture would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.connectome.connectivity import pearson_connectivity
from app.core.arrays import frozen
from app.core.frames import not_cleaned_text
from app.core.results import Outcome
from app.gui.main_window.window import MainWindow
from app.gui.views import ConnectionsView, MatrixView, MotionView, RingView
from app.preprocessing.carpet import carpet_rows
from app.reporting.blocks import Missing
from app.reporting.sections.explanation import connectivity_blocks
from app.study.case_store import write_case
from tests.live_case import view_of
from tests.sample_case import FRAMES, sample_case, sample_view_files

REASON = f"Only 3 of {FRAMES} frames are free of head motion"


@pytest.fixture(scope="module")
def few_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A withheld case as the recipe leaves it where it cannot clean."""
    case, files = sample_case(Outcome.WITHHELD), sample_view_files()
    assert case.signals is not None
    good = np.zeros(FRAMES, bool)
    good[[5, 60, 90]] = True
    nothing = np.full(case.signals.cleaned.shape, np.nan)
    signals = replace(case.signals, cleaned=frozen(nothing), good_frames=frozen(good))
    case = replace(case, signals=signals, connectome=pearson_connectivity(nothing, good))
    rows = np.asarray(files["view/carpet_rows.npy"], dtype=np.int64)
    files = {**files, "view/carpet_after.npy": carpet_rows(nothing, rows)}
    return write_case(case, tmp_path_factory.mktemp("few"), files=files)


def test_that_matrix_ring_and_table_say_why_they_are_empty(
    window: MainWindow, few_folder: Path, qtbot: Any
) -> None:
    window.actions_.open_path(few_folder)
    matrix = view_of(window, "explain", MatrixView, qtbot)
    assert matrix.canvas.content is None
    assert matrix.canvas.reason.startswith(REASON)
    assert matrix.sentence().startswith(REASON)
    assert matrix.as_table() is None
    for kind in (RingView, ConnectionsView):
        assert window.page("explain").findChild(kind).sentence().startswith(REASON)  # type: ignore[union-attr]
    window.session.set_display(matrix="scan")
    assert matrix.canvas.reason.startswith("Withheld")  # of an attribution that is the reason


def test_that_the_carpet_says_why_and_shows_what_was_before_cleaning(
    window: MainWindow, few_folder: Path, qtbot: Any
) -> None:
    window.actions_.open_path(few_folder)
    motion = view_of(window, "check", MotionView, qtbot)
    carpet = motion._carpet
    assert carpet is not None
    assert carpet.reason.isVisible()
    assert " ".join(carpet.reason.toPlainText().split()).startswith(REASON)
    assert carpet.image.image is None
    motion.swap_carpet()  # to before cleaning
    assert not carpet.reason.isVisible()
    assert np.ptp(carpet.image.image) > 0


def test_that_the_report_says_the_same(few_folder: Path) -> None:
    from app.study.case_store import read_case

    case = read_case(few_folder)
    assert case.signals is not None
    (block,) = connectivity_blocks(case, case.signals, 56.0)
    assert isinstance(block, Missing)
    assert REASON in block.reason


def test_that_a_short_scan_is_not_blamed_on_motion() -> None:
    signals = sample_case(Outcome.RESULT).signals
    assert signals is not None
    short = replace(
        signals,
        cleaned=np.full((28, signals.cleaned.shape[1]), np.nan),
        good_frames=np.arange(28) != 4,
    )
    assert not_cleaned_text(short).startswith(
        "The scan is short: 28 frames, 27 of them free of head motion: too few"
    )
