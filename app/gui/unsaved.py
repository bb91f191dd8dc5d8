"""What the user wrote or marked on an open case and would lose by leaving it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

if TYPE_CHECKING:
    from app.gui.session import Session


class Unsaved(QObject):
    """Knows what was kept: a saved session keeps all, a signed or exported summary its comment."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._kept: set[tuple[object, ...]] = set()

    def keep_comment(self) -> None:
        """The comment stands somewhere else now."""
        self._kept.add(self._comment())

    def keep_all(self) -> None:
        """The session was saved."""
        self._kept |= {self._comment(), self._frames()}

    def words(self) -> str:
        """What would be lost, such as "The comment for the summary"; "" for nothing."""
        session, review = self._session, self._session.state.review
        lost = []
        if session.case is not None and review.comment.strip():
            lost += ["comment for the summary"] * (self._comment() not in self._kept)
        original = session.case and (session.case.original or session.case)
        if original and set(review.censored) != set(original.left_out):
            lost += ["choice of frames left out"] * (self._frames() not in self._kept)
        return f"The {' and the '.join(lost)}" if lost else ""

    def _comment(self) -> tuple[object, ...]:
        return self._session.scan_sha256, self._session.state.review.comment.strip()

    def _frames(self) -> tuple[object, ...]:
        return self._session.scan_sha256, tuple(sorted(self._session.state.review.censored))
