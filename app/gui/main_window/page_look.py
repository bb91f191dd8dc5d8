"""What a hand has set up on a page that no session holds, kept when the page is made anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QAbstractItemView, QLineEdit, QTableView, QTabWidget, QWidget

from app.gui.main_window.arrangement import KeptSplitter
from app.gui.main_window.pages import Page
from app.gui.views import SurfaceView
from app.gui.widgets.view import View

_SETTLED_MS = 60  # tables have their size, and their rows their heights


@dataclass(frozen=True, slots=True)
class PageLook:
    """Tabs, searches, what fills the page, where the 3-D is seen from, shares of the areas.

    Each in the order in which the page holds its parts: the same layout is made again.
    """

    tabs: tuple[int, ...]
    searches: tuple[str, ...]
    maximised: int | None
    seen_from: tuple[Any, ...]
    shares: tuple[dict[Qt.Orientation, list[int]], ...]

    @classmethod
    def of(cls, page: QWidget) -> PageLook:
        """How a page looks now."""
        views = page.findChildren(View)
        filling = page.maximised if isinstance(page, Page) else None
        return cls(
            tabs=tuple(tabs.currentIndex() for tabs in page.findChildren(QTabWidget)),
            searches=tuple(field.text() for field in _searches(page)),
            maximised=views.index(filling) if filling in views else None,
            seen_from=tuple(view.seen_from() for view in page.findChildren(SurfaceView)),
            shares=tuple(dict(one.by_hand) for one in page.findChildren(KeptSplitter)),
        )

    def put_back(self, page: QWidget) -> None:
        """Let a page that was made anew look like that."""
        for tabs, index in zip(page.findChildren(QTabWidget), self.tabs, strict=False):
            tabs.setCurrentIndex(index)
        for field, words in zip(_searches(page), self.searches, strict=False):
            field.setText(words)
        for surface, kept in zip(page.findChildren(SurfaceView), self.seen_from, strict=False):
            surface.see_from(kept)
        for splitter, by_hand in zip(page.findChildren(KeptSplitter), self.shares, strict=False):
            splitter.by_hand = dict(by_hand)
            splitter.apply()
        views = page.findChildren(View)
        if self.maximised is not None and isinstance(page, Page) and self.maximised < len(views):
            page.maximise(views[self.maximised])
        _bring_rows_in_sight(page)


def _searches(page: QWidget) -> list[QLineEdit]:
    """The fields in which rows of a table are looked for."""
    found = [getattr(view, "search", None) for view in page.findChildren(View)]
    return [field for field in found if isinstance(field, QLineEdit)]


def _bring_rows_in_sight(page: QWidget) -> None:
    """Scroll the tables of a page to their chosen rows, once fonts and sizes have settled."""

    def scroll() -> None:
        for table in page.findChildren(QTableView):
            if table.currentIndex().isValid():
                table.scrollTo(table.currentIndex(), QAbstractItemView.ScrollHint.PositionAtCenter)

    QTimer.singleShot(_SETTLED_MS, page, scroll)
