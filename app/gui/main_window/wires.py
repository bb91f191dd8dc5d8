"""What views wish of the window: their signals, connected in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.gui.main_window.rerun import run_again
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
    elif isinstance(view, PreviewView):
        view.preview_asked.connect(lambda: window.reports.preview(view))
    elif isinstance(view, HealthView):
        view.health_asked.connect(lambda: window.reports.explain(health=True))
        _one_at_a_time(view, window)
    elif isinstance(view, SensitivityView):
        view.sensitivity_asked.connect(lambda: window.reports.explain(sensitivity=True))
        _one_at_a_time(view, window)


def _one_at_a_time(view: HealthView | SensitivityView, window: MainWindow) -> None:
    def follow() -> None:
        view.set_running(any(one.job.name == "explain" for one in window.jobs.running()))

    view.listen(window.jobs.started, follow)
    view.listen(window.jobs.finished, follow)


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
