"""Leaving what is open while long work on it runs or edits are not saved: the window asks first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from app.gui.jobs import Jobs
from app.gui.session import Session
from app.gui.view_state.review import Review

LENGTHY = ("analyse", "explain", "report", "sign_report", "batch_reports", "reopen")


class Leaving(QObject):
    """Lets something else be opened, which drops what runs, only where nothing is lost by it."""

    asked = Signal(str, str, object)  # what would be lost, in words; what to call when it may be

    def __init__(self, jobs: Jobs, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._session = jobs, session
        self._kept = "", Review()  # scan; its comment and frames as saved or signed last
        self._agreed = self._at_stake()  # what the user said may be lost, or that nothing would be

    def __call__(self, leave: Callable[[], None]) -> None:
        """Call `leave` at once, or ask."""
        lengthy = [one.title for one in self._jobs.running() if one.job.name in LENGTHY]
        work, unsaved = lengthy[-1] if lengthy else "", self.unsaved()

        def agreed() -> None:
            self._agreed = self._at_stake()
            leave()

        if work or unsaved:
            self.asked.emit(work, unsaved, agreed)
        else:
            agreed()

    def lost_since(self) -> bool:
        """Whether more would be lost now than when it was last agreed to leave."""
        jobs, review = self._at_stake()
        return not jobs <= self._agreed[0] or review not in (None, self._agreed[1])

    def again(self, leave: Callable[[], None]) -> None:
        """What the user wanted to be opened was read: ask where work was begun meanwhile."""
        if self.lost_since():
            self(leave)
        else:
            leave()

    def _at_stake(self) -> tuple[frozenset[str], tuple[str, Review] | None]:
        """Ids of the lengthy jobs that run; what is not saved, with its scan."""
        running = (one.job for one in self._jobs.running())
        jobs = frozenset(job.job_id for job in running if job.name in LENGTHY)
        written = self._session.scan_sha256, self._session.state.review
        return jobs, written if self.unsaved() else None

    def keep(self) -> None:
        """What the reader wrote and left out was saved, or signed."""
        self._kept = self._session.scan_sha256, self._session.state.review

    def keep_comment(self, comment: str) -> None:
        """A comment stands in a summary that was exported."""
        kept = replace(self._kept_of_scan(), comment=comment)
        self._kept = self._session.scan_sha256, kept

    def _kept_of_scan(self) -> Review:
        """Words that were kept of another scan say nothing of this one's."""
        scan, review = self._kept
        return review if scan == self._session.scan_sha256 else Review()

    def unsaved(self) -> str:
        """What of the reader's own work is in no file, as a sentence; "" where nothing is."""
        review, opened = self._session.state.review, self._session.case
        if opened is None:
            return ""
        kept = self._kept_of_scan()
        comment = bool(review.comment.strip()) and review.comment != kept.comment
        frames = opened.is_edited and review.censored != kept.censored
        what = ["the comment"] * comment + ["which frames are left out"] * frames
        if not what:
            return ""
        named = " and ".join(what)
        return f"{named[:1].upper()}{named[1:]} is not saved (File, Save session keeps it)."
