"""What was left out by hand and what follows from it, with the way back and the way on."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.core.frames import frames_text
from app.core.results import Connectome, Verdict
from app.gui.censoring import censored_words, is_behind
from app.gui.session import Session
from app.gui.widgets.view import ElidedLabel

_LIVE = ("usable_time_s", "flagged_percent", "residual_degrees_of_freedom")
_SHORT = {
    "usable_time_s": "usable",
    "flagged_percent": "not used",
    "residual_degrees_of_freedom": "degrees of freedom",
}
COMPUTING = "Computing; connectivity and gates on this page are still those from before."
_WORDS = {Verdict.PASS: "pass", Verdict.ATTENTION: "attention", Verdict.WITHHELD: "withheld"}


class CensorBar(QWidget):
    """One line on the edited frames; hidden while there are none."""

    back_asked = Signal()
    run_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.words = ElidedLabel(lines=3, firm=True)
        self.gates = ElidedLabel(lines=3, firm=True)
        self.gates.setObjectName("muted")
        self.back = QPushButton("Take all back")
        self.back.setToolTip("As the case was made; Undo goes back step by step")
        self.again = QPushButton("Run again")
        self.again.setObjectName("primary")
        self.again.setToolTip("A new number needs a new run; these frames go into it")
        self.back.clicked.connect(lambda _checked=False: self.back_asked.emit())
        self.again.clicked.connect(lambda _checked=False: self.run_asked.emit())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        told = QVBoxLayout()
        told.setSpacing(1)
        told.addWidget(self.words)
        told.addWidget(self.gates)
        row.addLayout(told, 1)
        row.addWidget(self.back)
        row.addWidget(self.again)

    def follow(self) -> None:
        """Say what stands now."""
        opened = self.session.case
        by_hand = self.session.state.review.censored
        self.setVisible(opened is not None and (opened.is_edited or bool(by_hand)))
        if opened is None:
            return
        stale = opened.is_edited
        self.back.setVisible(stale)
        self.again.setVisible(stale)
        told = f"Left out by hand: {frames_text(by_hand)}" if by_hand else "None left out by hand"
        # First what must not be cut where there is little room.
        self.words.set_full_text(f"{censored_words(opened)} {told}." if stale else f"{told}.")
        self.gates.set_full_text(self._gates())

    def _gates(self) -> str:
        """Such as "usable 392 s: pass · connectivity from 196 frames, r = 0.98 with before"."""
        opened = self.session.case
        if opened is None:
            return ""
        if is_behind(opened):
            return COMPUTING
        metrics = opened.case.quality.metrics if opened.case.quality is not None else ()
        parts = []
        for name in _LIVE:
            for metric in metrics:
                if metric.name == name:
                    value = f"{metric.value:.1f}".removesuffix(".0")
                    unit = f" {metric.unit}" if metric.unit else ""
                    parts.append(f"{_SHORT[name]} {value}{unit}: {_WORDS[metric.verdict]}")
        now = opened.case.connectome
        if now is not None:
            words = f"connectivity from {now.frame_count} frames"
            before = opened.original.case.connectome if opened.original is not None else None
            if before is not None:
                words += f", r = {alike(before, now):.3f} with before"
            parts.append(words)
        return "  \N{MIDDLE DOT}  ".join(parts)


def alike(one: Connectome, other: Connectome) -> float:
    """Correlation of two matrices over the connections that both have; NaN without."""
    upper = np.triu_indices(len(one.matrix), 1)
    a, b = np.asarray(one.matrix)[upper], np.asarray(other.matrix)[upper]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
