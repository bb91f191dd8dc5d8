"""What the workspace asks of its own worker, and what becomes of the answers.

It has a worker process of its own, so that a cohort of days keeps no single scan waiting.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.cohort.rows import CohortRow, row_of
from app.core.errors import AppError, WorkerError
from app.core.settings import Settings
from app.core.wording import counted
from app.gui.cohort.state import CohortState
from app.gui.jobs import Jobs
from app.gui.messages import Messages
from app.worker.bundle_requests import bundle_import_job
from app.worker.cohort_requests import (
    cohort_group_job,
    cohort_learn_job,
    cohort_list_job,
    cohort_outcomes_job,
    cohort_reports_job,
    cohort_run_job,
)
from app.worker.protocol import Job

RUN, LIST, GROUP, REPORTS = "cohort_run", "cohort_list", "cohort_group", "cohort_reports"
LEARN, OUTCOMES, IMPORT = "cohort_learn", "cohort_outcomes", "bundle_import"
TITLES = {
    LIST: "Looking through the folder",
    RUN: "Analysing the cohort",
    GROUP: "Mean matrices",
    REPORTS: "Writing summaries",
    LEARN: "Train and evaluate",
    OUTCOMES: "Reading outcomes of the locked plan",
    IMPORT: "Checking and installing the model",
}


class CohortWork(QObject):
    """Starts the workspace's jobs and puts their answers into the state."""

    said = Signal(str)  # one short sentence
    engine_told = Signal(str)  # workers and dashboard
    listed = Signal()
    matrices_ready = Signal(object)  # answer of `cohort_group`
    evaluated = Signal(object)  # answer of `cohort_learn`
    running_changed = Signal()

    def __init__(
        self, state: CohortState, jobs: Jobs, messages: Messages, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.state, self.jobs, self.messages = state, jobs, messages
        self.settings = Settings()
        self._plan: tuple[Path, Path] | None = None  # plan and result folder of what is judged
        self._names: dict[str, str] = {}  # job id -> name
        jobs.announced.connect(self._announced)
        jobs.succeeded.connect(self._succeeded)
        jobs.failed.connect(self._failed)
        jobs.cancelled.connect(self._cancelled)
        jobs.finished.connect(self._finished)

    @property
    def model_id(self) -> str:
        """The model that the queue asks."""
        return self.state.model_id

    @property
    def running(self) -> str:
        """Name of the job that runs; "" where none does."""
        return next((r.job.name for r in self.jobs.running()), "")

    # what the user asks ----------------------------------------------------------------

    def open_folder(self, bids_dir: Path, out_dir: Path) -> None:
        """List a BIDS folder; what earlier runs have done is there at once."""
        self.cancel()
        self.state.open(bids_dir, out_dir)
        self._start(cohort_list_job(bids_dir, out_dir))

    def run(self, keys: Sequence[str]) -> None:
        """Analyse rows; those that are done are recognised and kept."""
        if self.state.bids_dir is None or self.state.out_dir is None or not keys:
            return
        job = cohort_run_job(
            self.state.bids_dir,
            self.state.out_dir,
            keys,
            model_id=self.model_id,
            device="cuda" if self.settings.device == "cuda" else "cpu",
        )
        self._start(job)

    def make_matrices(self, group_by: str) -> None:
        """Mean matrix of the included rows, and the difference of two groups."""
        if self.state.out_dir is not None:
            keys = [row.key for row in self.state.included()]
            self._start(cohort_group_job(self.state.out_dir, keys, group_by))

    def write_reports(self, keys: Sequence[str], target: Path) -> None:
        """Participant summaries of finished rows."""
        cases = [(key, folder) for key in keys if (folder := self.state.case_folder(key))]
        if cases:
            self._start(cohort_reports_job(cases, target))

    def learn(self, plan: Path, target: Path, model_id: str) -> None:
        """Judge the plan's models on the included rows; with an id, train the headline too."""
        if self.state.bids_dir is None or self.state.out_dir is None:
            return
        self._plan = (plan, target)
        keys = [row.key for row in self.state.included() if row.finished]
        left_out = [self.state.rows[key] for key in sorted(self.state.excluded)
                    if key in self.state.rows]  # fmt: skip
        self._start(
            cohort_learn_job(
                self.state.out_dir,
                keys,
                plan=plan,
                table=self.state.bids_dir / "participants.tsv",
                target=target,
                model_id=model_id,
                by_hand=[(row.participant, row.session) for row in left_out],
            )
        )

    def read_outcomes(self, plan: Path, target: Path) -> None:
        """Show the rows' outcomes if that plan is locked in that folder; seal them otherwise."""
        if self.state.bids_dir is None or not plan.is_file():
            return
        if not (target / "plan.lock.json").is_file():
            self.state.put_outcomes({})
            return
        people = [(row.key, row.participant, row.session) for row in self.state.rows.values()]
        table = self.state.bids_dir / "participants.tsv"
        self._start(cohort_outcomes_job(people, plan=plan, table=table, target=target))

    def import_model(self, archive: Path) -> None:
        """Install a model that was trained here; it is chosen once it is there."""
        self._start(bundle_import_job(archive))

    def cancel(self) -> None:
        """Ask what runs to stop; what is done is kept."""
        for running in self.jobs.running():
            self.jobs.cancel(running.job.job_id)

    def close(self) -> None:
        """Stop everything."""
        self.jobs.close()

    # answers ---------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        self._names[job.job_id] = job.name
        self.jobs.start(job, TITLES[job.name])
        self.running_changed.emit()

    def _announced(self, job_id: str, name: str, facts: dict[str, str]) -> None:
        if job_id not in self._names:
            return
        if name == "cohort_rows":
            self.state.put_rows(_rows_of(facts["rows"]))
        elif name == "cohort_engine":
            self.engine_told.emit(facts["words"])

    def _succeeded(self, job_id: str, result: dict[str, Any]) -> None:
        name = self._names.get(job_id, "")
        if name == LIST:
            self.state.findings = tuple(result["findings"])
            self.state.put_models(result.get("models", self.state.models))
            self.listed.emit()
        elif name == OUTCOMES:
            self.state.put_outcomes(
                {key: (words, text) for key, (words, text) in result["outcomes"].items()}
            )
        elif name == IMPORT:
            model_id = str(result["imported"])
            self.state.put_models((*self.state.models, model_id))
            self.state.choose_model(model_id)
            self.said.emit(f"{model_id} is installed and chosen for the next run.")
        elif name == RUN:
            words = ", ".join(f"{n} {what}" for what, n in sorted(result["outcomes"].items()))
            self.said.emit(f"Done: {words}.")
        elif name == GROUP:
            self.matrices_ready.emit(result)
        elif name == LEARN:
            self.evaluated.emit(result)
        elif name == REPORTS:
            written = counted(result["written"], "summary was", "summaries were")
            self.said.emit(f"{written} written.")
            if result["refused"]:
                shown = " ".join(result["refused"][:3])
                refused = counted(len(result["refused"]), "summary was", "summaries were")
                self.messages.tell(WorkerError(f"{refused} not written.", shown))

    def _failed(self, job_id: str, error: AppError) -> None:
        if job_id in self._names:
            self.messages.tell(error)

    def _cancelled(self, job_id: str) -> None:
        if self._names.get(job_id) == RUN:
            self.said.emit("Stopped. What is done is kept; Run goes on where it stopped.")
        if self._names.get(job_id) == LEARN:
            locked = self._plan is not None and (self._plan[1] / "plan.lock.json").is_file()
            self.said.emit(
                "Stopped. Finished folds are kept: Evaluate goes on where it stopped."
                + " The plan is locked: a change of it is a deviation." * locked
            )

    def _finished(self, job_id: str) -> None:
        name = self._names.pop(job_id, None)
        self.running_changed.emit()
        if name == LEARN and self._plan is not None:  # also after a failure the plan is locked
            self.read_outcomes(*self._plan)


def _rows_of(text: str) -> list[CohortRow]:
    return [row_of(values) for values in json.loads(text)]
