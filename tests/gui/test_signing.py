"""Signing: what keeps from it stands in sight, Enter does not sign, the signed file can be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.core import wording
from app.core.provenance import file_sha256
from app.core.results import Outcome
from app.gui.main_window.window import MainWindow
from app.gui.views import SummaryView
from tests.sample_case import make_sample_case


@pytest.fixture
def small_copy(tmp_path: Path) -> Path:
    return make_sample_case(tmp_path / "cases", Outcome.WITHHELD)


def summary_of(window: MainWindow, case: Path) -> SummaryView:
    """The report page of a case."""
    window.actions_.open_path(case)
    window.show_step("report")
    found = window.page("report").findChild(SummaryView)
    assert isinstance(found, SummaryView)
    return found


@pytest.fixture
def summary(window: MainWindow, case_folders: dict[str, Path], qtbot: Any) -> SummaryView:
    return summary_of(window, case_folders["result"])


def test_that_the_reason_why_it_cannot_be_signed_stands_in_sight(summary: SummaryView) -> None:
    assert not summary.sign.isEnabled()
    assert summary.why_not.isVisible()
    assert "confirm the quality verdict" in summary.why_not.text()
    assert summary.sign.accessibleDescription() == summary.why_not.text()
    summary.confirmed.setChecked(True)
    assert summary.sign.isEnabled()
    assert summary.why_not.isHidden()


def test_that_enter_does_not_sign_and_the_question_says_research_use_only(
    window: MainWindow, summary: SummaryView, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    signed: list[object] = []
    monkeypatch.setattr(window.reports, "sign", lambda *given: signed.append(given))
    summary.confirmed.setChecked(True)
    for press in (True, False):
        qtbot.mouseClick(summary.sign, Qt.MouseButton.LeftButton)
        box = next(box for box in window.findChildren(QMessageBox) if box.isVisible())
        assert wording.RUO_LINE in box.informativeText()
        if press:
            qtbot.keyClick(box, Qt.Key.Key_Return)
        else:
            next(button for button in box.buttons() if button.text() == "Sign").click()
        qtbot.waitUntil(lambda box=box: not box.isVisible())
        assert len(signed) == (0 if press else 1)


def _add_versions(folder: Path) -> dict[str, bytes]:
    """Two signed versions, PDF and HTML, listed as a case's own files are."""
    made = {
        f"reports/x_desc-summary_version-{number:02d}.{kind}": f"{kind} {number}".encode()
        for number in (2, 10)
        for kind in ("pdf", "html")
    }
    (folder / "reports").mkdir(exist_ok=True)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, content in made.items():
        (folder / name).write_bytes(content)
        manifest["files"][name] = file_sha256(folder / name)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return made


@pytest.fixture
def unsigned(window: MainWindow, small_copy: Path) -> SummaryView:
    return summary_of(window, small_copy)


def test_that_the_last_signed_version_is_exported_as_it_was_signed(
    window: MainWindow, unsigned: SummaryView, small_copy: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, qtbot: Any,
) -> None:  # fmt: skip
    assert unsigned.signed.isHidden()
    made = _add_versions(small_copy)
    window.reports.follow()
    assert unsigned.signed.isVisible()
    assert "which is not signed" in unsigned.versions.text()
    for ending in ("pdf", "html"):
        target = tmp_path / f"mine.{ending}"
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_given, target=target: (str(target), "")
        )
        qtbot.mouseClick(unsigned.signed, Qt.MouseButton.LeftButton)
        assert target.read_bytes() == made[f"reports/x_desc-summary_version-10.{ending}"]


def test_that_a_signed_version_that_was_changed_is_not_exported(
    window: MainWindow, unsigned: SummaryView, small_copy: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, qtbot: Any,
) -> None:  # fmt: skip
    _add_versions(small_copy)
    (small_copy / "reports" / "x_desc-summary_version-10.pdf").write_bytes(b"pdf 11")
    window.reports.follow()
    target = tmp_path / "mine.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_given: (str(target), ""))
    qtbot.mouseClick(unsigned.signed, Qt.MouseButton.LeftButton)
    assert not target.exists()
    assert "was changed after it was signed" in window.errors.message.text()
