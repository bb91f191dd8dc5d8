"""Undo and redo: every entry holds the whole state, so that going back is setting it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.gui.history_words import entry_words
from app.gui.view_state import ViewState

KEPT_ENTRIES = 200
_DRAG_PAUSE_MS = 1000  # a longer rest begins an entry of its own


@dataclass(slots=True)
class _Seen:
    """What was seen after an entry; the selection in it follows as long as one stays there."""

    state: ViewState


class _Change(QUndoCommand):
    """From one seen state to the next."""

    def __init__(
        self, history: History, words: str, before: _Seen, after: _Seen, merge_id: int
    ) -> None:
        super().__init__(entry_words(words, before.state, after.state))
        self._history, self._merge_id = history, merge_id
        self.words, self.before, self.after = words, before, after

    def id(self) -> int:
        """Entries with the same number merge; -1 never."""
        return self._merge_id

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take over where a drag has come to."""
        if not isinstance(other, _Change):
            return False
        self.after = other.after
        self.setText(entry_words(other.words, self.before.state, self.after.state))
        return True

    def undo(self) -> None:
        """Back to what was seen before."""
        self._history._go_to(self.before)

    def redo(self) -> None:
        """Forward to what was seen after."""
        self._history._go_to(self.after)


class History(QObject):
    """The one undo stack of what is open.

    Parameters
    ----------
    show
        Shows a state; called for every change, undo and redo.
    start
        The state before the first change.
    """

    changed = Signal()  # other entries, another place in them

    def __init__(
        self, show: Callable[[ViewState], None], start: ViewState, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._show = show
        self._seen = _Seen(start)
        self._merge_ids: dict[tuple[str, int], int] = {}
        self._drag = 0
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(KEPT_ENTRIES)
        self.stack.indexChanged.connect(self.changed)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_DRAG_PAUSE_MS)
        self._rest.timeout.connect(self.end_merge)

    def push(self, words: str, state: ViewState, merge: str = "") -> None:
        """One entry, or the last one moved on where `merge` names the same drag."""
        number = -1
        if merge:
            number = self._merge_ids.setdefault((merge, self._drag), len(self._merge_ids))
            self._rest.start()
        self.stack.push(_Change(self, words, self._seen, _Seen(state), number))
        if merge:
            self.changed.emit()  # a merged entry has new words at the same place

    def note(self, state: ViewState) -> None:
        """The selection moved: remember it where we are, without an entry."""
        self._seen.state = state

    def end_merge(self) -> None:
        """The drag is over: the next change is an entry of its own."""
        self._drag += 1
        self._rest.stop()

    def entries(self) -> tuple[str, ...]:
        """The words of all entries, oldest first."""
        return tuple(self.stack.text(index) for index in range(self.stack.count()))

    def clear(self, start: ViewState) -> None:
        """Something else is open: nothing of before can be undone."""
        self._seen = _Seen(start)
        self.end_merge()
        self._merge_ids.clear()
        self.stack.clear()
        self.changed.emit()

    def _go_to(self, seen: _Seen) -> None:
        self._seen = seen
        self._show(seen.state)
