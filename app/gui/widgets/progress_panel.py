"""What runs now: title, stage, fraction, time left, and a Cancel that works."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from app.core.progress import ProgressEvent, stage_words
from app.gui.widgets.view import ElidedLabel


class ProgressPanel(QWidget):
    """One line at the bottom of the window, shown while a job runs."""

    cancel_asked = Signal(str)  # job id

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAccessibleName("Progress")
        self.job_id: str | None = None
        self.seconds_elapsed = 0.0  # of the job that is shown, as it told last
        self.title = QLabel()
        self.title.setObjectName("title")
        self.stage = ElidedLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setMinimumWidth(160)
        self.percent = QLabel()
        self.left = QLabel()
        self.left.setObjectName("muted")
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self._cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 10, 6)
        row.setSpacing(12)
        row.addWidget(self.title)
        row.addWidget(self.stage, 2)
        row.addWidget(self.bar, 3)
        row.addWidget(self.percent)
        row.addWidget(self.left)
        row.addWidget(self.cancel)
        self.hide()

    def begin(self, job_id: str, title: str, stage: str = "Starting") -> None:
        """Show a job that has just started."""
        self.job_id, self.seconds_elapsed = job_id, 0.0
        self.title.setText(title)
        self.stage.set_full_text(stage)
        self.bar.setRange(0, 0)
        self.percent.setText("")
        self.left.setText("")
        self.cancel.setText("Cancel")
        self.cancel.setEnabled(True)
        self.show()

    def show_event(self, job_id: str, event: ProgressEvent) -> None:
        """Show how far the job is."""
        if job_id != self.job_id:
            return
        self.seconds_elapsed = event.seconds_elapsed
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(event.fraction * 1000))
        self.percent.setText(f"{event.fraction * 100:.0f} %")
        count = f"step {event.stage_index + 1} of {event.stage_count}"
        name = stage_words(event.stage)
        words = f"{name} ({count})" if event.stage_count > 1 else name
        self.stage.set_full_text(f"{words}: {event.message}" if event.message else words)
        self.left.setText(left_words(event.seconds_left))
        self.bar.setAccessibleName(f"{words}, {event.fraction * 100:.0f} percent")

    def cancelling(self) -> None:
        """Show that the cancel was heard."""
        self.cancel.setEnabled(False)
        self.cancel.setText("Cancelling…")

    def end(self, job_id: str) -> None:
        """Hide the job."""
        if job_id == self.job_id:
            self.job_id = None
            self.hide()

    def _cancel(self) -> None:
        if self.job_id is not None:
            self.cancelling()
            self.cancel_asked.emit(self.job_id)


def left_words(seconds: float | None) -> str:
    """How long it still takes, such as "about 40 s left"; "" where nothing is known."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a few seconds left"
    whole = round(seconds)
    return f"about {whole} s left" if whole < 90 else f"about {round(whole / 60)} min left"
