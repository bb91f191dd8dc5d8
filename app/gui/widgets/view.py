"""What every view has: a title, room for controls, keys, a table twin, stamps in each picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import (
    QAction,
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.explanation_wording import baseline_words
from app.gui.session import Session
from app.gui.widgets.elided_label import ElidedLabel
from app.gui.widgets.pictures import Band, pixmap_of, whole, write_svg
from app.gui.widgets.tab_order import set_tab_order
from app.gui.widgets.tables import Table
from app.gui.widgets.theme import Tokens, font, tokens
from app.gui.widgets.title_label import TitleLabel
from app.gui.widgets.view_keys import ViewCommand, bind_commands, set_keys
from app.gui.widgets.view_menu import MoreButton

__all__ = ["ElidedLabel", "View"]

_COVER_PX = 10000  # larger than any view, so that no change of size uncovers one


class View(QWidget):
    """Base of all views: a framed panel with a title row, a body and a stamp line.

    Subclasses add controls to `tools`, content to `body`, and override `refresh` (another case)
    and `restyle` (another theme). The stamp line lies inside the view, so that a picture of the
    view carries it. What its keys do stands in `commands`, one line each; F1, the command palette
    and the View menu are made of it. A plot offers its values by `as_table` and says what is seen
    in one `sentence`.
    """

    name = ""  # stable name, used for files and tests
    title = ""
    takes_turns = False  # drawing a case takes long enough to be done in turns of its own
    draws: ClassVar[tuple[str, ...]] = ()  # files of `view/` without which it shows nothing
    commands: ClassVar[tuple[ViewCommand, ...]] = ()
    gestures: ClassVar[tuple[tuple[str, str], ...]] = ()  # what the mouse does, for the F1 list

    table_asked = Signal()
    picture_asked = Signal()
    maximise_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAccessibleName(self.title)
        # Images, matrices and their letters are never mirrored by the language's direction.
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(10, 7, 10, 6)
        outer.setSpacing(5)
        self.tools = QHBoxLayout()
        self.tools.setSpacing(6)
        self.title_label = TitleLabel(self.title)
        self.title_label.setObjectName("title")
        self.tools.addWidget(self.title_label)
        self.tools.addStretch(1)
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addLayout(self.tools, 1)
        self.more = MoreButton(self)
        head.addWidget(self.more)
        outer.addLayout(head)
        self.body = QVBoxLayout()
        self.body.setSpacing(4)
        outer.addLayout(self.body, 1)
        self.stamp_label = ElidedLabel(lines=3)
        self.stamp_label.setObjectName("stamp")
        self.stamp_label.setFont(font(self.font(), scale=0.82, bold=True))
        outer.addWidget(self.stamp_label)
        self._restyle_later = QTimer(self)
        self._restyle_later.setSingleShot(True)
        self._restyle_later.timeout.connect(self._restyle_if_changed)
        self._dark = self.tokens().dark
        self._stale = False
        self._shown_case, self._shown_withheld = "", True
        self._baseline_later = QTimer(self)  # once the view has drawn it
        self._baseline_later.setSingleShot(True)
        self._baseline_later.timeout.connect(self._show_stamps)
        self._cover = QLabel("Drawing\N{HORIZONTAL ELLIPSIS}", self)
        self._cover.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._cover.setContentsMargins(12, 10, 0, 0)
        self._cover.setObjectName("cover")
        self._cover.setGeometry(0, 0, _COVER_PX, _COVER_PX)
        self._cover.hide()
        self._focused = False
        self._heard: list[tuple[SignalInstance, Callable[[], None]]] = []
        self.key_actions: dict[str, QAction] = {}  # by name of the command, once shown
        self._bound = False
        self._describe_later = QTimer(self)
        self._describe_later.setSingleShot(True)
        self._describe_later.timeout.connect(self._describe)
        session.case_changed.connect(self._case_changed)
        session.state_changed.connect(self._describe_later.start)
        for signal in (session.explain_changed, session.display_changed, session.slices_changed):
            signal.connect(self._baseline_later.start)
        self._says_not_analysed = False
        self.listen(session.analysing_changed, self._analysing_changed)
        self._beginning = True  # what a subclass draws is not there yet
        self._show_stamps()
        self._beginning = False
        self._baseline_later.start()

    def listen(
        self, signal: SignalInstance, handler: Callable[[], None], *, soon: bool = False
    ) -> None:
        """Follow a signal of the session, except while another case waits to be drawn.

        With `soon` a little later, so that the slices are painted first, unless the keyboard is
        in this view: what the hand does is seen at once.
        """

        def follow() -> None:
            if not self._stale:
                handler()
                self._describe_later.start()

        def heard() -> None:
            if soon and self.session.turns.on and not self._has_keyboard():
                self.session.turns.soon(self, follow)
            elif not self._stale:
                handler()

        signal.connect(heard)
        self._heard.append((signal, heard))

    def stop_listening(self) -> None:
        """The view goes: what it followed must not call it any more."""
        for signal, heard in self._heard:
            signal.disconnect(heard)
        self._heard.clear()
        self.session.turns.forget(self)

    def _has_keyboard(self) -> bool:
        focused = QApplication.focusWidget()
        return focused is not None and (focused is self or self.isAncestorOf(focused))

    def tokens(self) -> Tokens:
        """The colours of the theme that is on."""
        return tokens(self.palette())

    def refresh(self) -> None:
        """Show the session's case; called when another one was opened."""

    def refreshing(self) -> Iterator[None]:
        """`refresh` in parts, each short; the event loop turns at every yield."""
        self.refresh()
        yield

    def restyle(self) -> None:
        """Take over the colours of the theme; called when it changed."""

    def footnote(self) -> str:
        """Words that stand in the last line beside the stamps, such as the convention."""
        return ""

    def baseline(self) -> str:
        """Which baseline a drawn map (b) comes from, where it is not the answer's own."""
        return ""

    def empty_reason(self) -> str:
        """Why there is nothing to show; printed in the place of the picture."""
        if self.session.case is None:
            if self.session.preview is None:
                return "No case is open."
            self._says_not_analysed = True
            if self.session.analysing:
                return "This scan is being analysed\N{HORIZONTAL ELLIPSIS}"
            return "This scan is not analysed yet."
        if self.session.case.stale:
            return f"{self.session.case.stale}."
        if self.session.case.lacks(*self.draws):
            return "Not drawn: its file in the case folder was changed, or is missing."
        if self.session.case.withheld:
            return "Withheld: nothing is shown here, because no number may be derived from it."
        return "This part of the case was not computed."

    def sentence(self) -> str:
        """What is seen now, in one sentence for a screen reader; "" where the controls say it."""
        return ""

    def as_table(self) -> Table | None:
        """The values that are drawn now; None where the view is no plot or has nothing to show."""
        return None

    def picture(self) -> QPixmap:
        """The view as a picture, with its stamps and the research-use line burnt in."""
        with self._for_picture():
            return pixmap_of(self, self._band())

    def save_picture(self, path: Path) -> bool:
        """Write the view as PNG or, where the name ends so, as SVG; tells whether it worked."""
        picture = self.picture()  # draws anew what is only drawn when it is seen
        if path.suffix.lower() != ".svg":
            return picture.save(str(path), "PNG")
        with self._for_picture():
            return write_svg(self, self._band(), path, self.title_label.text())

    def _band(self) -> Band:
        font_ = self.stamp_label.font()
        return Band(self.picture_head(), self.stamp_text(), self.width(), font_, self.tokens())

    def picture_head(self) -> str:
        """What a picture is and whose, by the pseudonym; then the read-outs that are cut in it."""
        opened, parts = self.session.case, [self.title_label.text() or self.title]
        if opened is not None:
            person = opened.case.participant  # its pseudonym, as the report's header names it
            parts += [f"Participant {wording.join((person.label, person.session))}"]
            parts += [f"Case {opened.case.case_id[:8]}"]
        cut = [label for label in self.findChildren(ElidedLabel) if label.is_cut()]
        told = [label.full_text() for label in cut if label.isVisibleTo(self)]
        return "\n".join(["  \N{MIDDLE DOT}  ".join(parts), *told])

    def stamp_text(self) -> str:
        """The words that every export of the view carries."""
        return self._stamp_text(wording.RUO_LINE)

    def show_focus(self, focused: bool) -> None:
        """Frame the view in which the keys act."""
        if focused != self._focused:
            self._focused = focused
            self.update()

    def showEvent(self, event: QShowEvent) -> None:
        """Bind the keys at the first sight, when all that they act on is there."""
        super().showEvent(event)
        set_tab_order(self)  # what was made anew stands at the end
        self.session.turns.catch_up(self)
        if self.tokens().dark != self._dark:
            self._restyle_later.start()
        if not self._bound:
            self._bound = True
            self.key_actions = bind_commands(self)
            self._follow_keys()
            self.session.keys.changed.connect(self._follow_keys)
        # Without title and controls, a row for the button alone would only take room.
        self.more.setVisible(not self.title_label.isHidden() or self.tools.count() > 2)
        self._describe_later.start()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A double click on the title row fills the page with the view."""
        if event.position().y() <= self.title_label.geometry().bottom() + 4:
            self.maximise_asked.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The frame says where the keyboard is."""
        super().paintEvent(event)
        if self._focused:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self.tokens().accent), 1.5))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
            painter.end()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme, soon: Qt is still walking over the widgets that this may replace."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_restyle_later"):
            self._restyle_later.start()

    def _restyle_if_changed(self) -> None:
        # What is hidden is drawn anew when it is seen: plots without a size keep a wrong one.
        if self.isVisible() and self.tokens().dark != self._dark:
            self._dark = self.tokens().dark
            if self._stale:
                self.session.turns.add(self, self._in_turns(), first=self.isVisible())
            else:
                self.restyle()

    def _case_changed(self) -> None:
        self._show_stamps()
        if not (self.takes_turns and self.session.turns.on):
            self.refresh()
            return
        opened = self.session.case
        now = opened.case.case_id if opened is not None else ""
        withheld = opened is None or opened.withheld
        self._stale = True
        if now != self._shown_case or (withheld and not self._shown_withheld):
            # Nothing of another person, or of a number that is gone, stays in sight for a moment.
            self._cover.raise_()
            self._cover.show()
        self._shown_case, self._shown_withheld = now, withheld
        self.session.turns.add(self, self._in_turns(), first=self.isVisible())

    def _analysing_changed(self) -> None:
        """Words in the place of a picture follow; what shows the scan is not drawn anew."""
        if self._says_not_analysed and self.session.case is None:
            self._says_not_analysed = False
            self.refresh()

    def _in_turns(self) -> Iterator[None]:
        try:
            yield from self.refreshing()
        except Exception:
            self._uncover()
            raise
        self._uncover()  # not where these turns were dropped for those of a newer case

    def _uncover(self) -> None:
        self._stale = False
        self._cover.hide()
        self._describe_later.start()

    @contextmanager
    def _for_picture(self) -> Iterator[None]:
        self.session.turns.finish(self)
        focused, self._focused = self._focused, False
        hidden = self.more.isHidden()
        self.more.hide()
        self.stamp_label.set_full_text("")  # they stand in the band below, in full
        try:
            with whole(self):
                yield
        finally:
            self._show_stamps()
            self.more.setHidden(hidden)
            self._focused = focused

    def _follow_keys(self) -> None:
        set_keys(self)

    def _describe(self) -> None:
        self.setAccessibleDescription("" if self._stale else self.sentence())

    def _show_stamps(self) -> None:
        self.stamp_label.set_full_text(self._stamp_text())

    def _stamp_text(self, *more: str) -> str:
        baseline = "" if self._beginning else self.baseline()
        footnote, other = self.footnote(), baseline_words(baseline)
        drawn = f"Map (b), {other}" if other else ""
        # The stamps before the baseline, which title and bar name too: a small view cuts the end.
        words = (footnote, *self.session.stamps(), drawn, *more)
        return "  ·  ".join(text for text in words if text)
