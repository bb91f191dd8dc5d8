"""The guided path: one sentence, one button, from the first start to the summary.

Shown in clinic mode, and when somebody asks for the tour on the demonstration participant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel

from app.core import wording
from app.gui.session import Session
from app.gui.widgets.offer_bar import OfferBar
from app.gui.widgets.step_bar import STEPS

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

_SAVED = "The summary was saved."
_ORDER = tuple(key for key, _ in STEPS)
_LOOK = {
    "check": (
        "Is the scan good enough? Look at motion, coverage and registration; every gate says its "
        "limit."
    ),
    "predict": "Read the outcome together with its interval and the base rate.",
    "explain": (
        "Choose a region in any view: all of them show it. What the model used is no cause of "
        "pain and no target of treatment."
    ),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next: the step it belongs to, one sentence, the button and what it does.

    `action` is "demonstrate", "run", "go", "seen", "export", "close", or "" while work runs.
    """

    step: str
    words: str
    button: str = ""
    action: str = ""


def advice(
    session: Session,
    running: frozenset[str],
    shown: str,
    seen: frozenset[str],
    *,
    exported: bool,
) -> Advice:
    """The next step for what is open; `shown` is the step on screen, `seen` those gone through."""
    if session.case is None and session.preview is None:
        if "demonstrate" in running:
            return Advice("load", "A person is being simulated: head, brain activity, scanner.")
        if running & {"look", "inspect"}:
            return Advice("load", "The scan is being opened.")
        return Advice(
            "load",
            "Drop a scan, or use the demonstration participant: simulated, nobody's data.",
            "Use the demonstration participant",
            "demonstrate",
        )
    if session.case is None:
        if "analyse" in running:
            return Advice("check", "The analysis runs. Checks and result appear as they are ready.")
        words = "Compare header and sides with the protocol, check the pseudonym, then run."
        return Advice("load", words, "Run the analysis", "run")
    for key in ("check", "predict", "explain"):
        if key in seen or (key == "explain" and session.case.withheld):
            continue
        title = dict(STEPS)[key]
        if key == "explain" and "analyse" in running and session.case.attribution is None:
            return Advice(key, "The explanation is being computed; it appears when it is ready.")
        if shown != key:
            return Advice(key, f"Next: {title}. {_LOOK[key]}", f"Go to {title}", "go")
        return Advice(key, _outcome(session, key) + _LOOK[key], "Seen, go on", "seen")
    if exported:
        words = f"{_SAVED} {wording.RUO_LINE}."
        return Advice("report", words, "Close this case", "close")
    if "analyse" in running:
        return Advice("report", "The analysis is not over yet; the summary comes with its end.")
    if "report" in running:
        return Advice("report", "The summary is being written.")
    if shown != "report":
        return Advice("report", "Next: Report, the participant summary.", "Go to Report", "go")
    return Advice("report", "Save the participant summary.", "Export PDF\u2026", "export")


def _outcome(session: Session, key: str) -> str:
    prediction = session.case.case.prediction if session.case is not None else None
    if key != "predict" or prediction is None:
        return ""
    return f"{wording.outcome_word(prediction.outcome)}. "


class Guide(QObject):
    """Keeps the bar in step with the window and does what its button says."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.bar = OfferBar("Guide", "Go on", "Hide the guide")
        self.place = QLabel()
        self.place.setObjectName("title")
        self.bar.layout().insertWidget(0, self.place)  # type: ignore[union-attr]
        self.bar.taken.connect(self.do_next)
        self.bar.declined.connect(self.end)
        self.on = False
        self._seen: set[str] = set()
        self._exported = False
        self._case_id = ""

    def begin(self) -> None:
        """Show the guide."""
        self.on = True
        self.follow()

    def end(self) -> None:
        """Hide the guide until it is asked for again."""
        self.on = False
        self.follow()

    def exported(self) -> None:
        """The summary was saved: the bar says so where it is seen, else the banner."""
        self._exported = True
        self.follow()
        if not self.on or not self.bar.words.text().startswith(_SAVED):
            self.window.say(_SAVED)

    def follow(self) -> None:
        """Show what is next."""
        session = self.window.session
        case_id = session.case.case.case_id if session.case is not None else ""
        if case_id != self._case_id:
            self._case_id, self._exported = case_id, False
            self._seen.clear()
        if not self.on:
            self.bar.hide()
            self.window.steps.set_next("")
            return
        found = self.now()
        number = _ORDER.index(found.step) + 1
        self.place.setText(f"Step {number} of {len(_ORDER)}")
        self.bar.take.setText(found.button)
        self.bar.take.setVisible(bool(found.button))
        self.window.steps.set_next(found.step)
        self.bar.offer(found.words)

    def now(self) -> Advice:
        """What is next."""
        running = frozenset(one.job.name for one in self.window.jobs.running())
        return advice(
            self.window.session,
            running,
            self.window.step,
            frozenset(self._seen),
            exported=self._exported,
        )

    def do_next(self) -> None:
        """Do what the button says."""
        found, window = self.now(), self.window
        doing: dict[str, Callable[[], object]] = {
            "demonstrate": window.actions_.open_demonstration,
            "run": window.run_from_menu,
            "go": lambda: window.show_step(found.step),
            "seen": lambda: self._go_on(found.step),
            "export": window.exports.ask_pdf,
            "close": lambda: window.actions_.leaving(window.close_case),
        }
        if found.action:
            doing[found.action]()
        self.follow()

    def _go_on(self, step: str) -> None:
        self._seen.add(step)
        self.window.show_step(self.now().step)
