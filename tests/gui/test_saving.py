"""Saved sessions and what a crash leaves: view, layers and censoring come back, or it is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.core.folders import data_folder
from app.core.provenance import file_sha256
from app.core.resources import project_root
from app.core.results import Outcome
from app.core.settings import recent_files
from app.gui.main_window.recovery import left_behind
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase
from app.gui.view_state import Layer
from app.study.case_store import read_case, update_case
from app.study.session_file import read_session, write_session
from tests.gui.test_main_window import all_words
from tests.sample_case import sample_case

LAYER = Layer("a", "branches", "Attribution (a)", opacity=0.5)


def change_view(window: MainWindow) -> None:
    session = window.session
    session.change("Add layer", "slices", layers=(LAYER,))
    session.change("Censor", "review", censored=(10, 11))
    session.set_display(surface="inflated", hidden_share=0.4)
    session.select_parcel(77)
    session.select_frame(12)
    window.show_step("explain")


@pytest.fixture
def case(case_folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(case_folders["result"], tmp_path / "cases" / case_folders["result"].name)
    )


def save(window: MainWindow, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(path), ""))
    window.menus.actions["file.save"].trigger()
    assert path.exists(), window.errors.message.text()


def test_that_a_session_brings_back_case_view_layers_and_censoring(
    window: MainWindow, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.open_path(case)
    change_view(window)
    noted = window.session.state
    path = tmp_path / "work.fmmtc"
    save(window, path, monkeypatch)
    text = path.read_text()
    assert "sub-demo" not in text
    assert str(tmp_path) not in text
    window.close_case()
    assert window.session.state.review.censored == ()
    window.actions_.open_path(path)
    assert window.session.case is not None
    assert window.session.state == noted
    assert window.step == "explain"
    assert recent_files()[0] == path
    window.menus.actions["file.save"].trigger()  # to the same place, without asking
    assert read_session(path).step == "explain"


def test_that_a_changed_scan_makes_the_results_stale_and_hides_the_number(
    window: MainWindow, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.open_path(case)
    opened = window.session.case
    assert opened is not None
    scan = tmp_path / "scan.nii"
    scan.write_bytes(b"\x5c\x01\0\0" + b"other bytes" * 100)
    window.actions_.sources[opened.case.scan.sha256] = (scan, {})
    path = tmp_path / "work.fmmtc"
    save(window, path, monkeypatch)
    window.actions_.open_path(path)
    assert window.session.case is not None
    assert "changed after this result" in window.session.case.stale
    assert window.session.case.withheld
    assert window.session.case.attribution is None
    for key in ("predict", "explain", "report"):
        window.show_step(key)
    words = all_words(window)
    assert "71 %" not in words
    assert "The scan was changed after this result was computed" in words
    assert window.steps.buttons["predict"].state == "blocked"
    assert not window.menus.actions["file.pdf"].isEnabled()
    window.actions_.export_summary(tmp_path / "out.pdf")
    assert not (tmp_path / "out.pdf").exists()


def test_that_a_changed_case_folder_is_stale_too(
    window: MainWindow, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.open_path(case)
    path = tmp_path / "work.fmmtc"
    save(window, path, monkeypatch)
    data = json.loads(path.read_text())
    data["case"]["sha256"] = "0" * 64
    path.write_text(json.dumps(data))
    window.actions_.open_path(path)
    assert window.session.case is not None
    assert window.session.case.withheld
    assert "Analyse the scan again" in window.session.case.stale


@pytest.mark.parametrize("what", ["added", "another number"])
def test_that_what_is_added_to_a_case_leaves_its_sessions_whole(
    window: MainWindow, case: Path, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.open_path(case)
    path = tmp_path / "work.fmmtc"
    save(window, path, monkeypatch)
    window.close_case()
    now = read_case(case)
    assert now.prediction is not None
    if what == "added":
        judged = sample_case(Outcome.RESULT, health=True)
        now = replace(now, health=judged.health, sensitivity=judged.sensitivity, attribution=None)
        update_case(case, now, {"reports/signed.json": {"signed": True}})
    else:
        update_case(case, replace(now, prediction=replace(now.prediction, probability=0.72)))
    window.actions_.open_path(path)
    assert window.session.case is not None
    assert bool(window.session.case.stale) is (what != "added")


def test_that_a_moved_case_is_asked_for_and_found(
    window: MainWindow, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.open_path(case)
    change_view(window)
    path = tmp_path / "work.fmmtc"
    save(window, path, monkeypatch)
    window.close_case()
    moved = tmp_path / "elsewhere" / case.name
    moved.parent.mkdir()
    case.rename(moved)
    window.actions_.open_path(path)
    box = next(b for b in window.findChildren(QMessageBox) if b.isVisible())
    assert "case of this session is not where it was" in box.text()
    assert window.session.case is None
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_a, **_k: str(moved))
    next(b for b in box.buttons() if b is not box.escapeButton()).click()
    assert window.session.case is not None
    assert window.session.state.review.censored == (10, 11)


def test_that_a_stale_case_comes_back_with_its_selection(
    window: MainWindow, case: Path, tmp_path: Path, qtbot: Any
) -> None:
    window.actions_.open_path(case)
    change_view(window)
    window.session.select_edge(77, 9)
    chosen = window.session.state.selection
    saved = window.saving.current(for_recovery=True)
    assert saved.case is not None
    window.close_case()
    window.session.turns.on = True  # views draw a little later, as in the program
    window.saving.show(replace(saved, case=replace(saved.case, sha256="0" * 64)))
    qtbot.wait(600)
    assert window.session.case is not None
    assert window.session.case.stale
    assert window.session.state.selection == chosen


def test_that_a_newer_session_opens_and_asks_for_another_name(
    window: MainWindow, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.open_path(case)
    path = tmp_path / "work.fmmtc"
    save(window, path, monkeypatch)
    data = json.loads(path.read_text())
    data |= {"version": 7}
    data["view"]["plots"] |= {"hologram": 1}
    path.write_text(json.dumps(data))
    before = file_sha256(path)
    window.actions_.open_path(path)
    assert window.session.case is not None
    assert "newer version" in window.banner.text()
    other = tmp_path / "mine.fmmtc"
    save(window, other, monkeypatch)
    assert file_sha256(path) == before


def test_that_a_session_that_is_none_is_told_in_one_sentence(
    window: MainWindow, tmp_path: Path
) -> None:
    path = tmp_path / "a.fmmtc"
    path.write_text("hello")
    window.actions_.open_path(path)
    assert "not a session of this program" in window.errors.message.text()


CRASHING = """
import sys
from pathlib import Path
from app.gui.application import make_application, make_window
from app.core.settings import Settings
from app.gui.messages import Messages
from app.core.request import AnalysisRequest
from tests.gui.conftest import FakeWorker
from tests.gui.test_saving import change_view
application = make_application()
window = make_window(FakeWorker, Settings(theme="dark"), Messages())
window.actions_.reader.inline = True
window.session.turns.on = False
window.recovery.start(inline=True)
window.show()
window.actions_.open_path(Path(sys.argv[1]))
change_view(window)
case = window.session.case.case
request = AnalysisRequest(Path(sys.argv[2]), Path(sys.argv[1]).parent)
window.actions_.sources[case.scan.sha256] = (Path(sys.argv[2]), {})
window.actions_.analyse(request, case.scan.sha256)
window.show_step("explain")
window.recovery.write()
print("ready", flush=True)
application.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_that_a_kill_during_the_analysis_is_recovered_at_the_next_start(
    window: MainWindow, case: Path, tmp_path: Path, isolated_home: Path
) -> None:
    scan = tmp_path / "scan.nii"  # not there: it is asked for, and the case shown without it
    child = subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(case), str(scan)],
        cwd=project_root(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert len(list((data_folder() / "recovery").iterdir())) == 1
    window.recovery.start(inline=True)
    bar = window.recovery.bar
    assert bar.isVisible()
    assert "Analysis was interrupted" in bar.words.text()
    bar.take.click()
    assert window.session.case is not None
    state = window.session.state
    assert state.slices.layers == (LAYER,)
    assert state.review.censored == (10, 11)
    assert (state.selection.parcel, state.selection.frame) == (77, 12)
    assert state.display.surface == "inflated"
    assert window.step == "explain"
    assert window.recovery.interrupted == "analyse"
    assert window.resume.isVisible()
    assert "interrupted when the program ended" in window.resume.words.text()
    assert window.resume.wish == "Finish analysis"
    assert not bar.isVisible()


def test_that_a_normal_end_leaves_nothing_to_recover(
    window: MainWindow, case: Path, qtbot: Any
) -> None:
    window.recovery.start(inline=True)
    assert not window.recovery.bar.isVisible()
    window.actions_.open_path(case)
    window.recovery.write()
    folder = data_folder() / "recovery"
    assert len(list(folder.iterdir())) == 1
    window._closing = True
    window.close()
    assert list(folder.iterdir()) == []


def test_that_recovery_can_be_declined_and_is_not_offered_twice(
    window: MainWindow, case: Path, tmp_path: Path
) -> None:
    folder = data_folder() / "recovery"
    folder.mkdir(parents=True)
    window.actions_.open_path(case)
    saved = window.saving.current(for_recovery=True)
    write_session(folder / "999999-1.fmmtc", saved)
    window.close_case()
    window.recovery.start(inline=True)
    assert "unexpectedly" in window.recovery.bar.words.text()
    window.recovery.bar.decline.click()
    assert list(folder.glob("999999-*")) == []
    assert window.session.case is None


@pytest.fixture
def two_crashes(window: MainWindow, case: Path) -> tuple[Path, Path]:
    """Recovery files of two programs that crashed: the older, the newer."""
    folder = data_folder() / "recovery"
    folder.mkdir(parents=True)
    window.actions_.open_case(case)
    saved = window.saving.current(for_recovery=True)
    older, newer = (folder / f"{pid}-1.fmmtc" for pid in (999998, 999999))
    for at, path in enumerate((older, newer)):
        write_session(path, saved)
        os.utime(path, (1000.0 + at, 1000.0 + at))
    window.close_case()
    return older, newer


def test_that_an_older_crash_is_not_lost_when_the_newer_is_restored(
    window: MainWindow, two_crashes: tuple[Path, Path]
) -> None:
    older, newer = two_crashes
    window.recovery.start(inline=True)
    assert "1 older one was kept too" in window.recovery.bar.words.text()
    window.recovery.bar.take.click()
    assert window.session.case is not None
    assert not newer.exists()
    assert left_behind() == [older]


def test_that_discarding_offers_the_older_crash(
    window: MainWindow, two_crashes: tuple[Path, Path]
) -> None:
    older, newer = two_crashes
    window.recovery.start(inline=True)
    bar = window.recovery.bar
    bar.decline.click()
    assert (older.exists(), newer.exists(), bar.isVisible()) == (True, False, True)
    bar.decline.click()
    assert (older.exists(), bar.isVisible()) == (False, False)


def test_that_a_stale_case_carries_no_number_at_all(case: Path) -> None:
    opened = OpenCase.read(case).as_stale("Because")
    prediction = opened.case.prediction
    assert prediction is not None
    for name in ("probability", "interval", "log_odds", "log_odds_windows", "contributions"):
        assert getattr(prediction, name) is None
    assert prediction.covariate_probability is None
    assert prediction.reasons == ("Because",)
    assert opened.case.attribution is None
