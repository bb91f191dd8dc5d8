"""Carpet, frames left out by hand, and time series, tried by hand in the real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from app.connectome.connectivity import pearson_connectivity
from app.core.arrays import frozen
from app.core.request import AnalysisRequest
from app.core.results import CENSORED
from app.gui.censoring import censor
from app.gui.main_window.window import MainWindow
from app.gui.opened_maps import OpenedMap, ScanVolumes
from app.gui.session import OpenCase, ScanPreview
from app.gui.trace_values import spectrum
from app.gui.view_state import Layer
from app.gui.views import (
    CardView,
    GatesView,
    MotionView,
    SlicesView,
    TimeSeriesView,
)
from app.preprocessing.cleaning import clean_series
from app.preprocessing.presets import find_preset
from tests.gui.screens import settle
from tests.live_case import (
    LEFT,
    SPIKE,
    Key,
    case_of,
    click_frame,
    connectivity,
    drag_frames,
    view_of,
)
from tests.sample_case import FIRST_FRAME, FRAMES, sample_case

# carpet ------------------------------------------------------------------------------


def test_that_a_spike_at_volume_50_is_seen_in_all_traces(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    click_frame(view, SPIKE, qtbot)
    assert session.frame == SPIKE
    assert "volume 50 in the file (first = 0)" in view.read_out.full_text()
    assert all(cursor.value() == SPIKE for cursor in view._marks.cursors)
    table = view.as_table()
    assert table is not None
    at = dict(zip(table.columns, table.rows[SPIKE], strict=True))
    assert at["volume (first = 0)"] == 50
    for name in ("FD, mm", "std. DVARS", "DVARS"):
        column = [row[table.columns.index(name)] for row in table.rows]
        assert np.nanargmax(np.array(column, dtype=float)) == SPIKE
    steady = np.array([row[table.columns.index("tSNR over 11 volumes")] for row in table.rows])
    assert abs(int(np.argmin(steady.astype(float))) - SPIKE) <= 5
    assert at["used"] == "flagged"
    pictures = []
    for keys in (Key.Key_Home, Key.Key_End):  # before, after cleaning
        view.share.setFocus()
        qtbot.keyClick(view.share, keys)
        assert view._carpet is not None
        pictures.append(np.array(view._carpet.image.image))
    assert session.state.plots.carpet_share == 1.0
    before, after = (picture.mean(axis=0) for picture in pictures)
    assert np.argmax(before) == SPIKE
    assert np.argmax(after) != SPIKE


def test_that_a_gate_leads_to_its_frames(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "check", GatesView, qtbot), live.session
    rows = {
        view.table.item(row, 1).data(Qt.ItemDataRole.UserRole): row
        for row in range(view.table.rowCount())
    }
    signals = case_of(session).case.signals
    assert signals is not None
    unused = np.flatnonzero(~np.asarray(signals.good_frames))

    def click(name: str) -> None:
        at = view.table.visualItemRect(view.table.item(rows[name], 1)).center()
        qtbot.mouseClick(view.table.viewport(), LEFT, pos=at)

    click("mean_fd_power_mm")
    assert session.frame == SPIKE
    click("flagged_percent")
    assert session.frame == unused[unused > SPIKE][0]
    click("frames")  # is about no single frame
    assert session.frame == unused[unused > SPIKE][0]


def test_that_a_drag_leaves_frames_out_and_everything_follows(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    original = case_of(session)
    assert original.case.signals is not None
    assert original.case.prediction is not None
    matrix, noted = connectivity(session).copy(), session.state.review
    drag_frames(view, 100, 129, qtbot)
    first, last = session.state.selection.frames or (0, 0)
    assert abs(first - 100) <= 1
    assert abs(last - 129) <= 1
    out = tuple(range(first + FIRST_FRAME, last + FIRST_FRAME + 1))
    assert session.state.review.censored == out
    now = case_of(session)
    signals, preset = now.case.signals, find_preset(original.case.signals.preset)
    assert signals is not None
    good = np.array(original.case.signals.good_frames)
    good[first : last + 1] = False
    np.testing.assert_array_equal(signals.good_frames, good)
    raw, confounds = np.asarray(signals.raw), signals.confounds
    again = clean_series(raw, confounds, good, 2.0, preset)
    expected = pearson_connectivity(again.values, good).matrix
    np.testing.assert_array_equal(connectivity(session), expected)
    assert not np.array_equal(matrix, expected)
    metrics = {m.name: m.value for m in now.case.quality.metrics} if now.case.quality else {}
    assert metrics["usable_time_s"] == 2.0 * good.sum()
    gates = view_of(live, "check", GatesView, qtbot)
    shown = [gates.table.item(row, 1).text() for row in range(gates.table.rowCount())]
    assert any(f"{2.0 * good.sum():.0f}" in text for text in shown)
    # no number is kept, nowhere
    assert now.is_edited
    assert now.attribution is None
    assert now.case.prediction is not None
    assert now.case.prediction.probability is None
    card = view_of(live, "predict", CardView, qtbot)
    assert "71" not in " ".join(label for label in _texts(card))
    assert "Stale" in " ".join(_texts(card))
    # undo brings all back
    session.history.stack.undo()
    assert session.state.review == noted
    assert case_of(session) is original
    np.testing.assert_array_equal(connectivity(session), matrix)
    session.history.stack.redo()
    assert case_of(session).is_edited


def _texts(view: QWidget) -> list[str]:
    labels = [label for label in view.findChildren(QLabel) if not label.isHidden()]
    return [text for label in labels for text in (label.text(), label.toolTip())]


def test_that_shift_drag_selects_and_x_leaves_out_and_takes_back(
    live: MainWindow, qtbot: Any
) -> None:
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    drag_frames(view, 40, 60, qtbot, Qt.KeyboardModifier.ShiftModifier)
    assert session.state.selection.frames is not None
    assert session.state.review.censored == ()
    assert not case_of(session).is_edited
    view.setFocus()
    qtbot.keyClick(view, Key.Key_X)
    first, last = session.state.selection.frames
    assert session.state.review.censored == tuple(
        range(first + FIRST_FRAME, last + FIRST_FRAME + 1)
    )
    assert "left out by hand" in view.frame_text(first)
    assert view.censor_bar.isVisible()
    assert f"{first + FIRST_FRAME}–{last + FIRST_FRAME}" in view.censor_bar.words.full_text()
    # what must not be cut stands first
    assert view.censor_bar.words.full_text().startswith("The number is hidden until a new run")
    assert "usable" in view.censor_bar.gates.full_text()
    qtbot.keyClick(view, Key.Key_X)
    assert session.state.review.censored == ()
    assert not case_of(session).is_edited
    assert view.frame_text(SPIKE).count("flagged")  # the recipe's own flag stays


def test_that_what_stands_from_before_an_edit_says_so_until_it_follows(
    live: MainWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first edit takes seconds: what it needs is imported first."""
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    gates, reader = view_of(live, "check", GatesView, qtbot), live.actions_.censoring.reader
    assert gates.verdict.text().startswith("Overall: ")
    before = int(view.frame_text(0).split("  ·  ")[-1].split()[0])
    asked: list[Any] = []
    monkeypatch.setattr(reader, "read", lambda *question: asked.append(question))
    session.change("Leave out", "review", censored=(70, 71, 72))
    assert len(asked) == 1
    assert "still those from before" in view.censor_bar.gates.full_text()
    assert gates.verdict.text().startswith("Before the edit: ")
    assert view.frame_text(0).endswith(f"{before + 3} not used in all")
    monkeypatch.undo()
    reader.read(*asked[0])
    assert "usable" in view.censor_bar.gates.full_text()
    assert gates.verdict.text().startswith("Overall: ")
    assert view.frame_text(0).endswith(f"{before + 3} not used in all")
    live.resize(1280, 720)
    settle()
    assert not view.censor_bar.words.is_cut()
    assert not view.censor_bar.gates.is_cut()


def test_that_a_run_with_edited_frames_asks_for_them(
    live: MainWindow, worker: Any, tmp_path: Path, qtbot: Any
) -> None:
    view, session, actions = view_of(live, "check", MotionView, qtbot), live.session, live.actions_
    session.change("Leave out", "review", censored=(70, 71))
    view.censor_bar.again.click()
    assert any("frames are kept" in text for text in _texts(live.errors))
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(b"there")
    sha256 = case_of(session).case.scan.sha256
    actions.requests[sha256] = AnalysisRequest(scan, tmp_path, research=True)
    view.censor_bar.again.click()
    asked = actions.requests[sha256]
    assert asked.censored_frames == (70, 71)
    assert asked.research
    qtbot.waitUntil(lambda: any(job.name == "analyse" for job in worker.jobs))
    actions.cancel_all()


def test_that_a_case_made_without_frames_opens_in_step(live: MainWindow, live_folder: Path) -> None:
    opened = OpenCase.read(live_folder)
    assert opened.case.provenance is not None
    told = {**opened.case.provenance.parameters, CENSORED: [70, 71]}
    provenance = replace(opened.case.provenance, parameters=told)
    scan = replace(opened.case.scan, sha256="ab" * 32)
    case = replace(opened.case, provenance=provenance, scan=scan)
    session = live.session
    session.show_case(replace(opened, case=case))
    assert session.state.review.censored == (70, 71)
    assert not case_of(session).is_edited
    session.change("Take back", "review", censored=())
    assert case_of(session).is_edited
    signals = case_of(session).case.signals
    assert signals is not None
    assert signals.good_frames[70 - FIRST_FRAME]


def test_that_no_summary_of_edited_frames_leaves_the_window(
    live: MainWindow, tmp_path: Path
) -> None:
    live.session.change("Leave out", "review", censored=(70, 71))
    live.actions_.export_summary(tmp_path / "summary.pdf")
    assert not (tmp_path / "summary.pdf").exists()
    assert live.errors.isVisible()


# time series -------------------------------------------------------------------------


def test_that_frames_are_selected_in_the_time_series(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "explain", TimeSeriesView, qtbot), live.session
    drag_frames(view, 40, 60, qtbot)
    first, last = session.state.selection.frames or (0, 0)
    assert abs(first - 40) <= 2
    assert abs(last - 60) <= 2
    assert session.state.review.censored == ()  # only the carpet leaves out
    low, high = view._marks.ranges[0].getRegion()
    assert (low, high) == (first - 0.5, last + 0.5)
    click_frame(view, 120, qtbot)
    assert abs(session.frame - 120) <= 1
    assert session.state.selection.frames is None
    assert not view._marks.ranges[0].isVisible()
    assert all(cursor.value() == session.frame for cursor in view._marks.cursors)


def test_that_the_series_map_is_drawn_for_the_selected_frames(live: MainWindow, qtbot: Any) -> None:
    session = live.session
    slices = view_of(live, "explain", SlicesView, qtbot)
    session.set_display(overlay="series")
    assert slices.overlay is not None
    whole = slices.overlay.values.copy()
    session.select_frames(40, 60)
    found = case_of(session).attribution
    assert found is not None
    frames = np.asarray(found.branches.per_parcel_frame)
    np.testing.assert_allclose(slices.overlay.values, frames[:, 40:61].sum(axis=1))
    assert "volumes 44 to 64" in slices.overlay.title
    session.select_frames(frames.shape[1] - 5, FRAMES - 1)  # the model read fewer frames
    np.testing.assert_allclose(slices.overlay.values, frames[:, -5:].sum(axis=1))
    session.select_frames(frames.shape[1], FRAMES - 1)
    assert "not read by the model" in slices.overlay.title
    session.select_only_frame(3)
    np.testing.assert_array_equal(slices.overlay.values, whole)


def test_that_held_traces_stay_and_their_spectrum_is_right(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "explain", TimeSeriesView, qtbot), live.session
    session.select_parcel(3)
    view.graphics.setFocus()
    qtbot.keyClick(view.graphics, Key.Key_T)
    session.select_parcel(9)
    qtbot.keyClick(view.graphics, Key.Key_T)
    session.select_parcel(30)
    assert [trace.key for trace in view._traces] == ["parcel:30", "parcel:3", "parcel:9"]
    assert len(view._curves) == 6
    qtbot.mouseClick(view.percent_box, LEFT)
    session.change("Time or spectrum", "plots", series="spectrum")
    table = view.as_table()
    assert table is not None
    assert table.columns[0] == "frequency, Hz"
    assert table.rows[-1][0] == pytest.approx(0.25)
    session.history.stack.undo()
    session.select_parcel(9)
    qtbot.keyClick(view.graphics, Key.Key_T)  # again lets it go
    assert session.state.plots.held == ("parcel:3",)


def run_file(folder: Path, frames: int) -> Path:
    """A run of unequal sides whose every voxel has a series of its own."""
    import nibabel

    data = np.random.default_rng(8).integers(200, 3000, (7, 8, 9, frames)).astype(np.int16)
    image = nibabel.Nifti1Image(data, np.diag([3.0, 3.5, 4.0, 1.0]))
    image.header.set_slope_inter(1.5, -20.0)
    nibabel.save(image, folder / "run.nii.gz")
    return folder / "run.nii.gz"


def test_that_three_voxels_and_a_mask_are_exported_as_nibabel_reads_them(
    window: MainWindow, tmp_path: Path, qtbot: Any
) -> None:
    import nibabel

    session, frames = window.session, 33
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    image = nibabel.load(run_file(tmp_path, frames))
    stored, affine = np.asarray(image.dataobj.get_unscaled()), frozen(np.asarray(image.affine))
    scan = sample_case().scan
    scan = replace(scan, shape=(7, 8, 9, frames), affine=affine, storage_orientation="RAS")
    volumes = ScanVolumes(scan.sha256, stored, affine, 1.5, -20.0)
    session.show_preview(ScanPreview(tmp_path, scan, (), volumes.volume(3)))
    session.show_volumes(volumes)
    mask = np.zeros((7, 8, 9))
    mask[2:5, 3, 4:6] = 1.0
    session.maps.add(OpenedMap("cd" * 32, "roi.nii.gz", "scanner", mask, "", "mask"))
    layer = Layer("roi", "file:" + "cd" * 32)
    session.change("Add layer", "slices", layers=(layer,))
    view = view_of_native(window, qtbot)
    view.reader.inline = True
    voxels = ((1, 2, 3), (6, 0, 8), (3, 7, 5))
    for voxel in voxels:
        x, y, z = (float(value) for value in affine[:3, :3] @ np.array(voxel) + affine[:3, 3])
        session.select_native_point((x, y, z))
        view.graphics.setFocus()
        qtbot.keyClick(view.graphics, Key.Key_T)
    view.hold_mask()
    assert len(session.state.plots.held) == 4
    view.export_to(tmp_path / "traces.tsv")
    header, *lines = (tmp_path / "traces.tsv").read_text().splitlines()
    rows = zip(*(line.split("\t") for line in lines), strict=True)
    columns = dict(zip(header.split("\t"), rows, strict=True))
    whole = image.get_fdata()
    for i, j, k in voxels:
        found = np.array(columns[f"voxel {i},{j},{k}, raw"], dtype=float)
        np.testing.assert_allclose(found, whole[i, j, k], rtol=1e-12)
    inside = np.array(columns["mask roi.nii.gz, raw"], dtype=float)
    np.testing.assert_allclose(inside, whole[mask > 0].mean(axis=0), rtol=1e-9)
    assert [int(v) for v in columns["volume"]] == list(range(frames))
    assert float(columns["time_s"][3]) == 6.0
    session.change("Percent", "plots", percent=True)
    drawn = view._points(view._traces[0])["raw"][1]
    held = view._traces[0].raw
    np.testing.assert_allclose(drawn, 100 * (held / held.mean() - 1))


def view_of_native(window: MainWindow, qtbot: Any) -> TimeSeriesView:
    """The time series beside the scan as it lies in the scanner."""
    found = view_of(window, "load", TimeSeriesView, qtbot)
    assert found.native
    return found


def test_that_the_template_crosshair_finds_its_voxel(live_folder: Path, qapp: Any) -> None:
    opened = OpenCase.read(live_folder)
    affine = np.array([[1.0, 0, 0, 4], [0, -1, 0, 6], [0, 0, 2, -8], [0, 0, 0, 1]])
    field = np.zeros((4, 5, 6, 3))
    field[..., 0] = np.arange(4.0)[:, None, None]
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    opened.__dict__["_to_scanner"] = (affine, field, grid)
    # at x = 3 mm, halfway between columns 1 and 2 of the field, which moves by 1.5 mm
    assert opened.scanner_point((3.0, 2.0, 4.0)) == pytest.approx((3 + 1.5 + 4, -2 + 6, 8 - 8))
    assert opened.scanner_point((300.0, 2.0, 4.0)) == pytest.approx((304, 4, 0))


def test_that_a_sine_shows_its_amplitude_at_its_frequency() -> None:
    seconds = np.arange(200) * 2.0
    frequency, amplitude = spectrum(7.0 + 3.0 * np.sin(2 * np.pi * 0.05 * seconds), 2.0)
    assert frequency[np.argmax(amplitude)] == pytest.approx(0.05)
    assert amplitude.max() == pytest.approx(3.0, rel=0.02)


def test_that_values_from_before_are_told_as_such_until_the_new_ones_are_there(
    live: MainWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_of(live, "check", MotionView, qtbot)
    reader, asked = live.actions_.censoring.reader, list[Any]()
    monkeypatch.setattr(reader, "read", lambda _key, work, tell: asked.append((work, tell)))
    censor(live.session, range(20, 31))
    assert "still those from before" in view.censor_bar.gates.full_text()
    ((work, tell),) = asked
    tell(work())
    assert "usable" in view.censor_bar.gates.full_text()
    assert "before." not in view.censor_bar.gates.full_text()
