"""Everything the user can make happen: opening, running, cancelling, exporting, display choices."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from app.core.errors import AppError, ScanError, StorageError
from app.core.folders import data_folder
from app.core.request import AnalysisRequest
from app.core.settings import Settings, forget_files, recent_files, remember_file
from app.core.signing import UNSIGNED, ReaderNote
from app.core.wording import RADIOLOGICAL
from app.gui.case_reader import CaseReader
from app.gui.censoring import Censoring
from app.gui.jobs import Jobs
from app.gui.leaving import Leaving
from app.gui.messages import Messages
from app.gui.preferences import Preferences
from app.gui.scan_picture import scan_volumes
from app.gui.session import OpenCase, ScanPreview, Session
from app.scans.contents import Choice, Contents, SourceKind
from app.study.case_store import check_files
from app.study.session_file import SUFFIX
from app.worker.demonstration import demonstrate_job
from app.worker.protocol import Job
from app.worker.requests import (
    analyse_job,
    contents_of,
    inspect_job,
    inspection_of,
    look_job,
    preview_job,
    report_job,
)
from app.worker.scratch import close_scratch, open_scratch

# Faults that the user can lift by stating the repetition time.
_ASK_REPETITION_TIME = ("scan.tr_missing", "scan.tr_out_of_range", "dicom.tr_conflict")
Selection = dict[str, Any]  # series, confounds_path, atlas: as `AnalysisRequest` names them


class Actions(Preferences):
    """Turns wishes into jobs and answers into the session's state."""

    begun = Signal()  # something is opened or run: what was told of the thing before is past
    step_wanted = Signal(str)  # show this step
    result_ready = Signal()  # an analysis has come to its end
    report_wanted = Signal(object)  # Path: open the case of this participant summary
    choice_wanted = Signal(object)  # Contents: which series or run?
    repetition_time_wanted = Signal(object, object, object)  # Path, Selection, AppError
    answered = Signal(str, object)  # name of a job that only dialogs wait for, its answer
    session_wanted = Signal(object)  # Path of a saved session
    exported = Signal()  # the participant summary was saved

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        messages: Messages,
        settings: Settings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(session, messages, settings, parent)
        self.jobs = jobs
        self.downloads = jobs.sibling()
        self.leaving = Leaving(jobs, session, self)
        self.reader = CaseReader(self)
        self.reader.opened.connect(lambda *it: self.leaving.again(partial(self._show_opened, *it)))
        self.reader.analysed.connect(self._show_analysed)
        for told in (self.reader.failed, self.reader.checked):
            told.connect(lambda error: messages.tell(error))
        self.censoring = Censoring(session, self)
        self.censoring.failed.connect(lambda error: messages.tell(error))
        self._checked: Path | None = None  # a case whose files a report was compared with
        self._scratch: Path | None = None
        self._paths: dict[str, Path] = {}  # job id -> the scan, or the PDF to write
        self.requests: dict[str, AnalysisRequest] = {}  # hash of a scan -> last asked of it
        self.sources: dict[str, tuple[Path, Selection]] = {}  # hash of a scan -> where it lies
        self._selections: dict[str, Selection] = {}  # job id -> what was chosen of it
        self._asked: dict[str, str] = {}  # job id -> name, of jobs that only dialogs wait for
        jobs.succeeded.connect(self._succeeded)
        jobs.failed.connect(self._failed)
        jobs.announced.connect(self._announced)
        jobs.finished.connect(self._finished)

    # opening -------------------------------------------------------------------------

    def open_path(self, path: Path) -> None:
        """Open a scan, a folder of scans or a case folder, or say in one sentence why not."""
        self.leaving(partial(self._open_path, path))

    def _open_path(self, path: Path) -> None:
        if path.suffix.lower() == SUFFIX and path.is_file():
            self.session_wanted.emit(path)
        elif (path / "case.json").is_file():
            self.open_case(path)
        elif path.name == "case.json" and path.is_file():
            self.open_case(path.parent)
        elif path.is_dir():
            self._look(path)
        elif path.suffix.lower() == ".pdf":
            self.report_wanted.emit(path)
        else:
            from app.scans.sources import source_kind  # many readers, wanted at the first scan

            try:
                kind = source_kind(path)
            except ScanError as error:
                self.messages.tell(error)
                return
            if kind in (SourceKind.NIFTI, SourceKind.PARCELS):
                self.open_scan(path)
            else:
                self._look(path)

    def open_choice(self, choice: Choice, confounds: Path | None = None) -> None:
        """Open one row of a folder's table."""
        selection: Selection = {}
        if choice.source is SourceKind.DICOM:
            selection["series"] = choice.key
        if confounds is not None:
            selection["confounds_path"] = confounds
        self.open_scan(choice.path, None, selection)

    def _look(self, path: Path) -> None:
        """List a folder in the worker."""
        self.cancel_all()
        self._start(look_job(path), path)

    def open_case(self, folder: Path, *, checked: bool = False) -> None:
        """Read a case folder in the background, then show it or say why not.

        Whether its files are what was written is told, unless it was `checked` and told before.
        """
        self._checked = folder if checked else None
        self.reader.open_case(folder)

    def _show_opened(self, opened: OpenCase, folder: Path) -> None:
        self.begun.emit()
        self.cancel_all()
        self.session.show_case(opened)
        self.remember(folder)
        self.step_wanted.emit("predict")
        if folder != self._checked:
            self.reader.check_files(opened)

    def open_scan(
        self,
        path: Path,
        repetition_time_s: float | None = None,
        selection: Selection | None = None,
    ) -> None:
        """Look at a scan in the worker, then show its header and first picture."""
        if not path.exists():
            self.messages.tell(ScanError("The file is not there.", "Choose another one."))
            return
        self.cancel_all()
        chosen = selection or {}
        job = inspect_job(
            path, self.scratch_folder(), repetition_time_s=repetition_time_s, **chosen
        )
        self._selections[job.job_id] = chosen
        self._start(job, path)
        self.step_wanted.emit("load")

    def open_demonstration(self) -> None:
        """Simulate the demonstration participant, then open its scan."""
        self.leaving(self._demonstrate)

    def _demonstrate(self) -> None:
        self.cancel_all()
        self._start(demonstrate_job(), Path())

    def recent(self) -> tuple[Path, ...]:
        """What was opened last, newest first."""
        return recent_files() if self.settings.remember_recent else ()

    def clear_recent(self) -> None:
        """Empty the list."""
        forget_files()

    # running -------------------------------------------------------------------------

    def run_analysis(self, values: dict[str, Any]) -> None:
        """Analyse the scan that is open."""
        preview = self.session.preview
        if preview is None:
            return
        scan = preview.scan
        stated = scan.repetition_time_s if scan.repetition_time_source == "user" else None
        request = AnalysisRequest(
            scan_path=preview.path.absolute(),
            out_dir=data_folder() / "cases",
            repetition_time_s=stated,
            device=self.settings.device,
            threads=self.settings.threads,
            **preview.selection,
            censored_frames=self.session.state.review.censored,
            stage_cache=True,
            **values,
        )
        self.analyse(request, scan.sha256)

    def analyse(self, request: AnalysisRequest, scan_sha256: str) -> None:
        """Start the recipe; one that overrules a verdict only where that can be logged."""

        def start(participant_uuid: str) -> None:
            asked = replace(request, participant_uuid=participant_uuid)
            self.requests[scan_sha256] = asked
            self.sources.setdefault(scan_sha256, (asked.scan_path, {}))
            self._start(analyse_job(asked, scan_sha256=scan_sha256), request.scan_path)
            self.step_wanted.emit("check")

        if request.override_reason and not request.participant_uuid:
            self.reader.with_participant(scan_sha256, start)
        else:
            start(request.participant_uuid)

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop."""
        self.jobs.cancel(job_id)

    def cancel_all(self) -> None:
        """Stop everything and drop its answers: something else is opened."""
        self.reader.forget()
        for running in self.jobs.running():
            self.jobs.abandon(running.job.job_id)

    def export_summary(self, target: Path, note: ReaderNote = UNSIGNED, paper: str = "A4") -> None:
        """Save the summary as PDF or HTML, by the ending, as the preview shows it.

        The case's own file is copied where it says the same; otherwise the worker writes one.
        """
        opened = self.session.case
        if opened is None:
            return
        kind = "HTML" if target.suffix.lower() in (".html", ".htm") else "PDF"
        if opened.stale:
            self.messages.tell(
                StorageError(f"There is no {kind} of results that are stale.", opened.stale + ".")
            )
            return
        word = self.session.display.convention_word
        source = opened.summary_pdf.with_suffix(f".{kind.lower()}")
        usual = (note, word, paper) == (UNSIGNED, RADIOLOGICAL, "A4")
        if not (usual and check_files(opened.folder, source.name.__eq__)[0]):
            job = report_job(opened.folder, target, note=note, convention=word, paper=paper)
            self._start(job, target)
            return
        try:
            shutil.copyfile(source, target)
        except OSError as fault:
            self.messages.tell(
                StorageError(
                    f"The {kind} could not be saved there.",
                    "Choose a folder that can be written and has space.",
                    code="gui.pdf_not_saved",
                ),
                type(fault).__name__,
            )
            return
        self.exported.emit()

    def open_folder(self) -> None:
        """Show the case folder in the system's file manager."""
        if self.session.case is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.session.case.folder)))

    def close(self) -> None:
        """Stop all work and remove private files."""
        self.reader.close()
        self.censoring.close()
        self.jobs.close()
        self.downloads.close()
        if self._scratch is not None:
            close_scratch(self._scratch)
            self._scratch = None

    # dialogs ---------------------------------------------------------------------------

    def ask_worker(self, job: Job) -> None:
        """Start a job whose answer is told by `answered`."""
        self._asked[job.job_id] = job.name
        self._start(job, Path())

    # answers -------------------------------------------------------------------------

    def _start(self, job: Job, path: Path) -> None:
        if job.name in ("look", "inspect", "analyse", "demonstrate"):
            self.begun.emit()
        self._paths[job.job_id] = path
        limit = self.settings.worker_memory_limit_mb << 20
        self.jobs.start(replace(job, memory_limit_bytes=limit))

    def _succeeded(self, job_id: str, result: Any) -> None:
        running_path = self._paths.get(job_id)
        if running_path is None:
            return
        if job_id in self._asked:
            self.answered.emit(self._asked[job_id], result)
        elif "contents" in result:
            self._show_contents(contents_of(result))
        elif "record" in result:
            self._show_inspection(running_path, result, self._selections.get(job_id, {}))
        elif "demonstration" in result:
            self.open_scan(Path(result["demonstration"]))
        elif "volumes" in result:
            self._show_volume(result)
        elif "case_folder" in result:
            self.reader.read_analysed(Path(result["case_folder"]), last=True)
        else:
            self.exported.emit()

    def _show_contents(self, contents: Contents) -> None:
        """Open the only thing that can be analysed, or ask which."""
        candidates = contents.candidates
        if len(contents.choices) == 1 and not contents.choices[0].openable:
            choice = contents.choices[0]
            self.messages.tell(
                ScanError(choice.obstacle, "Choose another scan.", code="gui.not_usable")
            )
        elif len(candidates) == 1 == len(contents.choices) and not candidates[0].question:
            self.open_choice(candidates[0])
        else:
            self.choice_wanted.emit(contents)

    def _show_inspection(self, path: Path, result: dict[str, Any], selection: Selection) -> None:
        found = inspection_of(result)
        self.sources[found.scan.sha256] = (path, dict(selection))
        self.session.show_preview(
            ScanPreview(
                path, found.scan, found.findings, None, dict(found.participant), dict(selection)
            )
        )
        self.remember(path)
        if found.scan.is_image:
            series = str(selection.get("series", ""))
            job = preview_job(path, self.scratch_folder(), found.scan, series=series)
            self._start(job, path)

    def _show_volume(self, result: dict[str, Any]) -> None:
        preview = self.session.preview
        volumes = scan_volumes(result, preview.scan.sha256) if preview is not None else None
        if preview is not None and volumes is not None:  # no other scan was opened meanwhile
            self.session.show_volumes(volumes)
            middle = volumes.volume(volumes.count // 2)
            self.session.show_preview(replace(preview, volume=middle))

    def _announced(self, job_id: str, name: str, facts: dict[str, str]) -> None:
        if name == "case_updated" and job_id in self._paths:
            self.reader.read_analysed(Path(facts["case_folder"]), last=False)

    def _show_analysed(self, opened: OpenCase, folder: Path, last: bool) -> None:
        expected = self.session.scan_sha256
        if expected and opened.case.scan.sha256 != expected:
            return
        self.session.show_case(opened)
        if last:
            self.remember(folder)
            self.result_ready.emit()

    def _failed(self, job_id: str, error: AppError) -> None:
        if job_id not in self._paths:
            return
        self.messages.tell(error)
        if error.code in _ASK_REPETITION_TIME and job_id in self._selections:
            self.repetition_time_wanted.emit(self._paths[job_id], self._selections[job_id], error)

    def _finished(self, job_id: str) -> None:
        self._paths.pop(job_id, None)
        self._selections.pop(job_id, None)
        self._asked.pop(job_id, None)

    # small things --------------------------------------------------------------------

    def scratch_folder(self) -> Path:
        """Private files of this window; gone with it."""
        if self._scratch is None:
            self._scratch = open_scratch()
        return self._scratch

    def remember(self, path: Path) -> None:
        """Put something that was opened first in the list of recent files."""
        if not self.settings.remember_recent:
            return
        try:
            remember_file(path)
        except StorageError as error:
            self.messages.tell(error)
