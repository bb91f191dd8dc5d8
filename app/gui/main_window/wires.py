"""What views wish of the window: their signals, connected in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.gui.main_window.rerun import run_again
from app.gui.main_window.signed import ask_export
from app.gui.views import (
    CardView,
    GatesView,
    HealthView,
    IntakeView,
    MotionView,
    PreviewView,
    SensitivityView,
    SlicesView,
    SummaryView,
)
from app.gui.widgets.view import View
from app.gui.widgets.work_row import WorkRow

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


def connect(view: View, window: MainWindow) -> None:
    """Connect what a view wishes; called once, when its page is built."""
    view.table_asked.connect(lambda: window.exports.show_table(view))
    view.picture_asked.connect(lambda: window.exports.ask_picture(view))
    view.maximise_asked.connect(lambda: window.maximise(view))
    if isinstance(view, CardView):
        view.model_asked.connect(window.tools.show_card)
    elif isinstance(view, GatesView):
        view.override_asked.connect(window.tools.ask_override)
    elif isinstance(view, IntakeView):
        view.run_asked.connect(window.actions_.run_analysis)
        _only_before_analysis(view)
        _research_only(view, window)
    elif isinstance(view, MotionView):
        view.run_again_asked.connect(lambda: run_again(window))
    elif isinstance(view, SlicesView):
        view.map_asked.connect(window.exports.maps.ask_open)
        view.export_asked.connect(window.exports.maps.ask_export)
        view.seed_asked.connect(window.exports.maps.actions.seed_map)
        view.volumes_asked.connect(window.exports.maps.ask_volumes)
        view.said.connect(window.say)
    elif isinstance(view, SummaryView):
        view.export_asked.connect(window.exports.ask_pdf)
        view.html_asked.connect(window.reports.ask_html)
        view.folder_asked.connect(window.actions_.open_folder)
        view.batch_asked.connect(window.reports.ask_batch)
        view.sign_asked.connect(window.reports.ask_sign)
        view.signed_asked.connect(lambda: ask_export(window))
    elif isinstance(view, PreviewView):
        view.preview_asked.connect(lambda: window.reports.preview(view))
    elif isinstance(view, HealthView):
        view.health_asked.connect(lambda: window.reports.explain(health=True))
        _watch(view.work, window, "health")
    elif isinstance(view, SensitivityView):
        view.sensitivity_asked.connect(lambda: window.reports.explain(sensitivity=True))
        _watch(view.work, window, "sensitivity")


def _watch(row: WorkRow, window: MainWindow, part: str) -> None:
    """Let a row follow the jobs that compute its part of the explanation."""
    row.watch(window.jobs, lambda job: job.name == "explain" and bool(job.arguments.get(part)))
    row.cancel_asked.connect(window.job_line.cancel_job)


def _only_before_analysis(form: IntakeView) -> None:
    def follow() -> None:
        form.setVisible(form.session.preview is not None)

    form.listen(form.session.case_changed, follow)
    follow()


def _research_only(form: IntakeView, window: MainWindow) -> None:
    """In clinic mode nobody is offered a number that a check withholds."""

    def follow() -> None:
        clinic = window.actions_.settings.clinic_mode
        form.research.setVisible(not clinic)
        if clinic:
            form.research.setChecked(False)

    form.listen(window.actions_.settings_changed, follow)
    follow()
