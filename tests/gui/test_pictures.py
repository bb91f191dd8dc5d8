"""Pictures and tables of views carry their words, in PNG, SVG and TSV."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QFileDialog

from app.core import wording
from app.core.errors import StorageError
from app.gui.main_window.window import MainWindow
from app.gui.session import Session
from app.gui.views import NetworksView, SlicesView
from app.gui.widgets.pictures import whole
from app.gui.widgets.tables import Table, TableDialog
from app.gui.widgets.view import View


@pytest.fixture
def views(window: MainWindow, case_folders: dict[str, Path], qtbot: Any) -> list[View]:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    qtbot.wait(200)
    return window.visible_views()


def test_that_every_svg_is_whole_in_itself_and_carries_all_stamps_in_full(
    views: list[View], tmp_path: Path
) -> None:
    for view in views:
        path = tmp_path / f"{view.name}.svg"
        assert view.save_picture(path)
        text = path.read_text(encoding="utf-8")
        words = " ".join("".join(ElementTree.fromstring(text).itertext()).split())
        for stamp in (wording.RUO_LINE, wording.SIMULATED_STAMP):
            assert " ".join(stamp.split()) in words, view.name
        assert not [
            href
            for href in re.findall(r'href="([^"]*)"', text)
            if not href.startswith(("#", "data:"))
        ]
        assert QSvgRenderer(str(path)).isValid()


def test_that_the_svg_of_slices_shows_the_same_letters_as_the_screen(
    views: list[View], tmp_path: Path
) -> None:
    """Also in a viewer that knows no clipping, as Qt's own: nothing lies over a letter."""
    view = next(view for view in views if isinstance(view, SlicesView))
    path = tmp_path / "slices.svg"
    view.save_picture(path)
    renderer = QSvgRenderer(str(path))
    image = QImage(QSize(view.width(), round(view.width() * 1.0)), QImage.Format.Format_RGB32)
    size = renderer.defaultSize()
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    scale = size.width() / view.width()
    for name, canvas in view.stage.canvases.items():
        shown = _grey(canvas.grab().toImage().scaled(120, 120))
        corner = canvas.mapTo(view, canvas.rect().topLeft()) * scale
        part = image.copy(
            round(corner.x()), round(corner.y()),
            round(canvas.width() * scale), round(canvas.height() * scale),
        )  # fmt: skip
        drawn = _grey(part.scaled(120, 120))
        assert np.corrcoef(shown.ravel(), drawn.ravel())[0, 1] > 0.9, name


def _grey(image: QImage) -> Any:
    grey = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(grey.constBits(), np.uint8).reshape(grey.height(), grey.bytesPerLine())
    return rows[:, : grey.width()].astype(float)


def test_that_a_picture_holds_the_band_and_leaves_the_view_as_it_was(views: list[View]) -> None:
    view = views[0]
    before, stamps = view.grab().toImage(), view.stamp_label.full_text()
    picture = view.picture()
    assert picture.height() > view.height() + 10
    assert view.stamp_label.full_text() == stamps
    assert view.grab().toImage() == before


def test_that_every_picture_names_itself_the_pseudonym_and_the_case(
    views: list[View], tmp_path: Path
) -> None:
    for view in views:
        case = view.session.case
        assert case is not None
        path = tmp_path / f"{view.name}.svg"
        view.save_picture(path)
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        drawn = "".join(
            " ".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")
        )
        drawn = "".join(drawn.split())
        title = view.title_label.text() or view.title
        for words in (title, "Participant sub-demo", f"Case {case.case.case_id[:8]}"):
            assert "".join(words.split()) in drawn, view.name


def test_that_a_picture_holds_all_that_the_view_scrolls(session: Session, qtbot: Any) -> None:
    view = NetworksView(session)
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show()
    hidden = view.area.verticalScrollBar().maximum()
    assert hidden > 50
    view.area.verticalScrollBar().setValue(20)
    picture = view.picture()
    assert view.height() == 200
    assert view.area.verticalScrollBar().value() == 20
    assert picture.height() / picture.devicePixelRatio() > 200 + hidden
    with whole(view):
        assert view.area.verticalScrollBar().maximum() == 0
    assert (view.width(), view.height()) == (300, 200)


def test_that_a_read_out_that_is_cut_stands_in_full_below(session: Session, qtbot: Any) -> None:
    view = NetworksView(session)
    qtbot.addWidget(view)
    view.show()
    view.resize(1400, 300)
    words = view.read_out.full_text()
    assert words
    assert words not in view.picture_head()
    view.resize(220, 300)
    assert words in view.picture_head().splitlines()


def test_that_the_picture_is_saved_as_what_the_user_chose(
    window: MainWindow, views: list[View], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer, expected in (
        ((str(tmp_path / "a.svg"), ""), "a.svg"),
        ((str(tmp_path / "b"), "SVG (*.svg)"), "b.svg"),
        ((str(tmp_path / "c"), "PNG (*.png)"), "c.png"),
    ):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, found=answer, **_k: found)
        window.exports.ask_picture(views[0])
        assert (tmp_path / expected).stat().st_size > 1000
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(tmp_path / "no" / "x.svg"), "")
    )
    window.exports.ask_picture(views[0])
    assert window.errors.message.text() == "The picture could not be saved."


def test_that_a_table_is_copied_and_saved_with_its_stamps(
    window: MainWindow, tmp_path: Path, qtbot: Any
) -> None:
    table = Table(
        ("name", "value (mm)"), [("a\tb", 1.5), ("c", None), ("d", float("nan")), ("e", 2)]
    )
    dialog = TableDialog("Numbers", "SIMULATED", table, window)
    dialog.show()
    assert not dialog.isModal()
    dialog.copy.click()
    text = "# SIMULATED\nname\tvalue (mm)\na b\t1.5\nc\tn/a\nd\tn/a\ne\t2\n"
    assert QApplication.clipboard().text() == text
    dialog.save_to(tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text() == text
    with pytest.raises(StorageError):
        dialog.save_to(tmp_path / "no" / "t.tsv")
    dialog.close()
