"""Everything that the window can do, one line each.

Menus, keys, the command palette (Ctrl+K) and the key list (F1) are made of this tuple. What acts
only inside one view stands in that view's own `commands`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.gui.main_window.command import Command
from app.gui.widgets.layer_stack import layers_shown, toggle_layers
from app.gui.widgets.step_bar import STEPS, WORKSPACES

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

MENUS = {
    "file": "&File",
    "file.recent": "Open &recent",
    "edit": "&Edit",
    "analysis": "&Analysis",
    "view": "&View",
    "view.nose": "Sagittal &nose",
    "view.theme": "&Theme",
    "view.step": "&Go to step",
    "tools": "&Tools",
    "help": "&Help",
}


def _case(window: MainWindow) -> str:
    return "" if window.session.case is not None else "Open a case first."


def _fresh(window: MainWindow) -> str:
    opened = window.session.case
    return opened.stale if opened is not None and opened.stale else _case(window)


def _anything(window: MainWindow) -> str:
    nothing = window.session.case is None and window.session.preview is None
    return "Nothing is open." if nothing else ""


def _explained(window: MainWindow) -> str:
    opened = window.session.case
    shows = opened is not None and opened.attribution is not None
    return "" if shows else "Open a case with an explanation first."


def _runnable(window: MainWindow) -> str:
    ready = window.session.preview is not None or window.resume.offered
    return "" if ready else "Open a scan first."


def _working(window: MainWindow) -> str:
    working = window.jobs.running() or window.progress.job_id is not None  # or a case is read
    return "" if working else "No work is running."


def _escape(window: MainWindow) -> None:
    if _working(window):
        window.session.clear_selection()
    else:
        window.job_line.cancel()


def _undo_words(window: MainWindow) -> str:
    return f"&Undo {_lowered(window.cohort.undo_stack().undoText())}".strip()


def _redo_words(window: MainWindow) -> str:
    return f"&Redo {_lowered(window.cohort.undo_stack().redoText())}".strip()


def _lowered(words: str) -> str:
    """An entry of the history within a sentence; its values, after the colon, as they are."""
    what, colon, values = words.partition(":")
    return f"{what[:1].lower()}{what[1:]}{colon}{values}".replace("&", "&&")


def _can_undo(window: MainWindow) -> str:
    return "" if window.cohort.undo_stack().canUndo() else "Nothing was changed yet."


def _can_redo(window: MainWindow) -> str:
    return "" if window.cohort.undo_stack().canRedo() else "Nothing was undone."


def _view(window: MainWindow) -> str:
    return "" if window.focused_view() is not None else "No view is shown."


def _research(window: MainWindow) -> str:
    return "Hidden in clinic mode." if window.cohort.hidden else ""


def _guided(window: MainWindow) -> str:
    return "" if window.guide.on else "Begin the guided tour first."


def _swap(window: MainWindow) -> None:
    now = window.session.display.convention
    other = "neurological" if now == "radiological" else "radiological"
    window.actions_.set_convention(other)


def _toggle_letters(window: MainWindow) -> None:
    session = window.session
    session.set_display(secondary_letters=not session.display.secondary_letters)


def _display(name: str, value: str, window: MainWindow) -> bool:
    return bool(getattr(window.session.display, name) == value)


ACTIONS: tuple[Command, ...] = (
    # file
    Command("file.open", "&Open scan…", "Ctrl+O", "file", lambda w: w.asking.ask_scan()),
    Command("file.folder", "Open &folder…", "Ctrl+Shift+O", "file", lambda w: w.asking.ask_case()),
    Command(
        "file.report", "Open from &report…", "", "file", lambda w: w.reports.ask_report(),
        help="The case of a participant summary, compared with what was printed.",
    ),
    Command(
        "file.open_session", "Open sess&ion…", "", "file", lambda w: w.saving.ask_open(),
        help="A saved session brings back scan, case, view and edits.",
    ),
    Command(
        "file.save", "&Save session", "Ctrl+S", "file", lambda w: w.saving.ask_save(), _anything,
        line=True,
    ),
    Command(
        "file.save_as", "Save session &as…", "Ctrl+Shift+S", "file",
        lambda w: w.saving.ask_save_as(), _anything,
    ),
    Command(
        "file.pdf", "&Export PDF…", "Ctrl+P", "file", lambda w: w.exports.ask_pdf(), _fresh,
        line=True,
    ),
    Command("file.html", "Export &HTML…", "", "file", lambda w: w.reports.ask_html(), _fresh),
    Command("file.batch", "Summaries of &many cases…", "", "file", lambda w: w.reports.ask_batch()),
    Command(
        "file.case_folder", "Open case &folder", "", "file",
        lambda w: w.actions_.open_folder(), _case,
    ),
    Command(
        "file.close", "C&lose case", "Ctrl+W", "file",
        lambda w: w.actions_.leaving(w.close_case), _anything,
        line=True,
    ),
    Command(
        "file.maps", "Add &maps as layers…", "Ctrl+Shift+A", "file",
        lambda w: w.exports.maps.ask_open(), _anything,
        help="NIfTI maps and masks in the template or in the scan's own space, GIfTI maps on "
        "the surface.",
    ),
    Command("file.settings", "Se&ttings…", "Ctrl+,", "file", lambda w: w.tools.show_settings()),
    Command("file.quit", "&Quit", "Ctrl+Q", "file", lambda w: w.close()),
    # edit
    Command(
        "edit.undo", "&Undo", "Ctrl+Z", "edit", lambda w: w.cohort.undo_stack().undo(),
        _can_undo, say=_undo_words,
    ),
    Command(
        "edit.redo", "&Redo", "Ctrl+Shift+Z; Ctrl+Y", "edit",
        lambda w: w.cohort.undo_stack().redo(), _can_redo, say=_redo_words,
    ),
    Command(
        "edit.history", "&History", "Ctrl+Shift+H", "edit", lambda w: w.toggle_history(),
        on=lambda w: w.history_dock.isVisible(),
        help="All changes; choosing one goes back or forward to it.",
    ),
    Command(
        "edit.region", "&Find region…", "Ctrl+F", "edit", lambda w: w.palettes.find_region(), _case,
        line=True,
    ),
    Command(
        "edit.escape", "C&lear the selection", "Esc", "edit", _escape,
        say=lambda w: "C&lear the selection" if _working(w) else "&Cancel work",
        help="While work runs, Esc cancels it; otherwise no region, connection, network or frames "
        "are selected any more. Undo brings the selection back.",
        unclaimed=True,
    ),
    Command("edit.palette", "&Command palette…", "Ctrl+K", "edit", lambda w: w.palettes.show()),
    # analysis
    Command(
        "analysis.run", "&Run analysis", "Ctrl+R", "analysis", lambda w: w.run_from_menu(),
        _runnable, say=lambda w: f"&{w.resume.wish}",
    ),
    Command(
        "analysis.cancel", "&Cancel work", "Ctrl+.", "analysis", lambda w: w.job_line.cancel(),
        _working, help="Asks when more than a minute of work would be lost.",
    ),
    Command(
        "analysis.health", "Explanation &health", "", "analysis",
        lambda w: w.reports.explain(health=True), _explained, line=True,
        help="Agreement over baselines, windows, token orders and halves; what is stable.",
    ),
    Command(
        "analysis.sensitivity", "&Sensitivity of the number", "", "analysis",
        lambda w: w.reports.explain(sensitivity=True), _explained,
        help="The number under other choices, as marked variants.",
    ),
    Command(
        "analysis.card", "&Model card…", "Ctrl+M", "analysis", lambda w: w.tools.show_card(),
        line=True,
    ),
    Command(
        "analysis.install", "&Install a model from a file…", "", "analysis",
        lambda w: w.tools.ask_import(),
    ),
    # view
    Command(
        "view.radiological", "&Radiological", "", "view",
        lambda w: w.actions_.set_convention("radiological"),
        on=partial(_display, "convention", "radiological"),
    ),
    Command(
        "view.neurological", "&Neurological", "", "view",
        lambda w: w.actions_.set_convention("neurological"),
        on=partial(_display, "convention", "neurological"),
    ),
    Command(
        "view.swap", "S&wap left and right", "Ctrl+Shift+N", "view", _swap,
        help="Radiological or neurological, for every slice; a banner names the new one.",
    ),
    Command(
        "view.nose_left", "Nose &left", "", "view.nose", lambda w: w.actions_.set_nose("left"),
        on=partial(_display, "nose", "left"),
    ),
    Command(
        "view.nose_right", "Nose &right", "", "view.nose", lambda w: w.actions_.set_nose("right"),
        on=partial(_display, "nose", "right"),
    ),
    Command(
        "view.letters", "Letters A, P, S, I", "Ctrl+L", "view", _toggle_letters,
        on=lambda w: w.session.display.secondary_letters, line=True,
        help="L, R and the convention always stay.",
    ),
    Command(
        "view.overlay", "Show &layers", "Ctrl+E", "view", lambda w: toggle_layers(w.session),
        on=lambda w: layers_shown(w.session),
        help="All layers on or off, as O does in the slices.",
    ),
    Command(
        "view.maximise", "&Maximise the view", "F11", "view", lambda w: w.maximise(), _view,
        line=True, help="The view with the focus fills the page; again puts it back.",
    ),
    Command(
        "view.table", "Show as &table", "Ctrl+T", "view", lambda w: w.exports.show_table(), _view,
        help="The values that the view with the focus draws.",
    ),
    Command(
        "view.picture", "Save view as &picture…", "Ctrl+Shift+P", "view",
        lambda w: w.exports.ask_picture(), _view, help="PNG or SVG, with letters and words.",
    ),
    Command(
        "view.next", "Ne&xt view", "F6", "view", lambda w: w.next_view(1), _view,
        help="Moves the keyboard to the next view of the page.",
    ),
    Command(
        "view.previous", "Pre&vious view", "Shift+F6", "view", lambda w: w.next_view(-1), _view
    ),
    *(
        Command(
            f"step.{key}", f"&{title}", f"Ctrl+{number}", "view.step",
            lambda w, key=key: w.show_step(key),  # type: ignore[misc]
        )
        for number, (key, title) in enumerate(STEPS, start=1)
    ),
    *(
        Command(
            f"step.{key}", f"&{title}", f"Ctrl+{number}", "view.step",
            lambda w, key=key: w.show_step(key), _research,  # type: ignore[misc]
            help="Many participants in one table.",
        )
        for number, (key, title) in enumerate(WORKSPACES, start=len(STEPS) + 1)
    ),
    Command(
        "view.theme_system", "Follow the &system", "", "view.theme",
        lambda w: w.actions_.set_theme("system"), on=partial(_display, "theme", "system"),
    ),
    Command(
        "view.theme_dark", "&Dark", "", "view.theme", lambda w: w.actions_.set_theme("dark"),
        on=partial(_display, "theme", "dark"),
    ),
    Command(
        "view.theme_light", "&Light", "", "view.theme", lambda w: w.actions_.set_theme("light"),
        on=partial(_display, "theme", "light"),
    ),
    Command(
        "view.clinic", "&Clinic mode", "", "view",
        lambda w: w.actions_.change_setting("clinic_mode", not w.actions_.settings.clinic_mode),
        on=lambda w: w.actions_.settings.clinic_mode, line=True,
        help="A guided path from the scan to its summary; what is for research only is hidden.",
    ),
    # tools
    Command(
        "tools.models", "&Models and atlases…", "Ctrl+Shift+M", "tools",
        lambda w: w.tools.show_models(),
    ),
    # help
    Command(
        "help.tour", "&Guided tour", "", "help", lambda w: w.guide.begin(),
        help="One sentence and one button for each step, also with a simulated participant.",
    ),
    Command(
        "help.next", "Next step of the g&uide", "Ctrl+Return", "help",
        lambda w: w.guide.do_next(), _guided,
    ),
    Command("help.keys", "&Keyboard and mouse", "F1", "help", lambda w: w.tools.show_keys()),
    Command("help.about", "&About NeuroResponder", "", "help", lambda w: w.tools.show_about()),
)  # fmt: skip
