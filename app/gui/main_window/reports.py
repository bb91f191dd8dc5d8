"""Explanations on request and participant summaries: what the window asks the worker for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.core.errors import AppError, StorageError
from app.core.folders import data_folder
from app.core.signing import ReaderNote
from app.gui.dialogs.questions import ask_sign
from app.gui.main_window.signed import versions_text
from app.gui.widgets.file_dialogs import ask_folder, ask_open, ask_save
from app.worker.report_requests import (
    batch_job,
    explain_job,
    preview_pages_job,
    reopen_job,
    sign_job,
)

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow
    from app.gui.views import PreviewView, SummaryView

_T1_FILES = "NIfTI images (*.nii *.nii.gz);;All (*)"
REPORT_FILES = "Participant summaries (*.pdf)"


class Reports(QObject):
    """Starts jobs on the open case and hands their answers to the views."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window_ = window
        self._preview_key: object = None
        self._pdf: Path | None = None  # the report that data are searched for
        self._altered: tuple[str, ...] = ()  # what differs, told when its case is shown
        self._folder: Path | None = None  # that case
        self._exporting = ""  # the comment of the summary that is being exported
        window.actions_.answered.connect(self._answered)
        window.actions_.report_wanted.connect(self.open_report)
        window.actions_.reader.failed.connect(lambda _error: self._tell_altered())
        window.actions_.exported.connect(self._exported)
        window.session.case_changed.connect(self.follow)

    # explanation -----------------------------------------------------------------------

    def explain(self, *, health: bool = False, sensitivity: bool = False) -> None:
        """Compute more of the open case's explanation."""
        opened = self.window_.session.case
        if opened is None or opened.withheld or opened.stale:
            return
        settings = self.window_.actions_.settings
        job = explain_job(
            opened.folder,
            health=health,
            sensitivity=sensitivity,
            device=settings.device,
            scan_sha256=opened.case.scan.sha256,
        )
        self.window_.actions_.ask_worker(job)

    # the summary -----------------------------------------------------------------------

    def preview(self, view: PreviewView) -> None:
        """Draw the pages of the summary as it would be exported now."""
        opened = self.window_.session.case
        if opened is None:
            return
        self._preview_key = view.key()
        job = preview_pages_job(
            opened.folder,
            self.window_.actions_.scratch_folder(),
            self._note(),
            convention=self.window_.session.display.convention_word,
            paper=view.paper.currentText(),
            dots_per_inch=view.dots_per_inch * max(view.devicePixelRatioF(), 1.0),
            scan_sha256=opened.case.scan.sha256,
        )
        work = self.window_.jobs.ahead_of(job.name)
        if work:
            view.say(f"{work} is running: the pages are drawn when that has ended.")
        self.window_.actions_.ask_worker(job)

    def ask_sign(self) -> None:
        """Ask once more: a signed version is never changed again."""
        opened, summary = self.window_.session.case, self._summary()
        if opened is None or summary is None:
            return
        note, folder, sha256 = summary.note(), opened.folder, opened.case.scan.sha256
        ask_sign(self.window_, lambda: self.sign(folder, note, sha256))

    def sign(self, folder: Path, note: ReaderNote, scan_sha256: str) -> None:
        """Close a version."""
        job = sign_job(
            folder,
            note,
            convention=self.window_.session.display.convention_word,
            paper=self._paper(),
            scan_sha256=scan_sha256,
        )
        self.window_.actions_.ask_worker(job)

    def ask_html(self) -> None:
        """Choose where the HTML twin goes."""
        opened = self.window_.session.case
        if opened is None:
            return
        proposed = opened.summary_pdf.with_suffix(".html").name
        name, _ = ask_save(self.window_, "Export HTML", proposed, "HTML (*.html)")
        if name:
            path = Path(name)
            html = path.suffix.lower() in (".html", ".htm")
            self.export(path if html else path.with_name(path.name + ".html"))

    def export(self, target: Path) -> None:
        """Save what the preview shows: with the comment, in the chosen paper and convention."""
        self._exporting = self.window_.session.state.review.comment
        self.window_.actions_.export_summary(target, self._note(), self._paper())

    def _exported(self) -> None:
        self.window_.actions_.leaving.keep_comment(self._exporting)

    def _note(self) -> ReaderNote:
        """What the reader wrote so far, unsigned."""
        summary = self._summary()
        if summary is None:
            return ReaderNote(comment=self.window_.session.state.review.comment.strip())
        return replace(summary.note(), quality_confirmed=False)

    def ask_batch(self) -> None:
        """Choose a folder of cases and one for their summaries."""
        source = ask_folder(
            self.window_, "Folder that holds case folders", str(data_folder() / "cases")
        )
        if not source:
            return
        folders = [p.parent for p in sorted(Path(source).glob("*/case.json"))]
        if not folders:
            self._tell("There is no case in that folder.", "Choose the folder above the cases.")
            return
        out = ask_folder(self.window_, "Folder for the summaries")
        if out:
            self.batch(folders, Path(out))

    def batch(self, folders: list[Path], out: Path) -> None:
        """Write the summaries of many cases."""
        word = self.window_.session.display.convention_word
        job = batch_job(folders, out, convention=word, paper=self._paper(), html=True)
        self.window_.actions_.ask_worker(job)

    # back from a summary ---------------------------------------------------------------

    def ask_report(self) -> None:
        """Choose a participant summary whose case is opened."""
        name, _ = ask_open(self.window_, "Open from report", "", REPORT_FILES)
        if name:
            self.window_.actions_.leaving(partial(self.open_report, Path(name)))

    def open_report(self, pdf: Path) -> None:
        """Find the case of a summary and compare both."""
        self._pdf = pdf
        self.window_.actions_.ask_worker(reopen_job(pdf))

    def recompute(self, scan: Path, t1: Path | None = None) -> None:
        """Analyse the scan of the report that was opened last, and compare."""
        if self._pdf is not None:
            job = reopen_job(self._pdf, scan=scan, out=data_folder() / "cases", t1=t1)
            self.window_.actions_.ask_worker(job)

    def _reopened(self, found: Mapping[str, Any]) -> None:
        self._altered = tuple(found["altered"])
        self._folder = Path(found["folder"]) if found["folder"] else None
        if self._folder is not None:
            self.window_.actions_.open_case(self._folder, checked=bool(self._altered))
            if not self._altered:
                self.window_.say("The case is what the report says, file by file.")
            return
        self._tell_altered()
        name, _ = ask_open(
            self.window_, "The case is not here: choose the scan of the report", "", "All (*)"
        )
        t1 = ""
        if name and found.get("needs_t1"):
            t1, _ = ask_open(
                self.window_, "Choose the T1 image that the scan was analysed with", "", _T1_FILES
            )
        if name:  # without the T1 image that is needed the worker refuses, in words
            self.recompute(Path(name), Path(t1) if t1 else None)

    def _tell_altered(self) -> None:
        """Say what differs; after the case is shown, since opening hides what was said before."""
        altered, self._altered = self._altered, ()
        if altered:
            self._tell(
                f"Altered data: {' '.join(altered)}",
                "Do not rely on this report: make a new one from its case, or analyse the scan "
                "again where files of the case differ.",
                "report.altered",
            )

    # answers ---------------------------------------------------------------------------

    def follow(self) -> None:
        """Tell the report page which versions are signed."""
        summary, opened = self._summary(), self.window_.session.case
        if opened is None or opened.folder != self._folder:
            self._altered = ()  # of a report whose case is not the one that is open
        self._tell_altered()
        if summary is None:
            return
        summary.show_versions("" if opened is None else versions_text(opened.folder))

    def _answered(self, name: str, result: Mapping[str, Any]) -> None:
        if name == "preview_pages":
            from app.gui.views import PreviewView

            for view in self._views(PreviewView):
                view.show_pages(self._preview_key, [Path(page) for page in result["pages"]])
        elif name == "sign_report":
            self.window_.actions_.leaving.keep()
            self.window_.say(f"Version {result['signed']['version']} is signed.")
            self.follow()
        elif name == "batch_reports":
            rows = result["rows"]
            failed = [row for row in rows if row["trouble"]]
            stood = sum(row["stood"] for row in rows)
            written = f"{len(rows) - len(failed) - stood} of {len(rows)} summaries were written"
            already = f"; {stood} lay there already, unchanged" if stood else ""
            self.window_.say(f"{written}{already}.")
            for row in failed[:3]:
                self._tell(f"No summary of {row['case_id']}: {row['trouble']}", "See the case.")
        elif name == "reopen":
            self._reopened(result["reopened"])

    # small things ----------------------------------------------------------------------

    def _summary(self) -> SummaryView | None:
        from app.gui.views import SummaryView  # all views, wanted when pages are built

        views = self._views(SummaryView)
        return views[0] if views else None

    def _views(self, kind: type[Any]) -> list[Any]:
        return self.window_.findChildren(kind)

    def _paper(self) -> str:
        from app.gui.views import PreviewView

        previews = self._views(PreviewView)
        return previews[0].paper.currentText() if previews else "A4"

    def _tell(self, message: str, hint: str, code: str = "gui.report") -> None:
        kind = AppError if code == "report.altered" else StorageError
        self.window_.actions_.messages.tell(kind(message, hint, code=code))
