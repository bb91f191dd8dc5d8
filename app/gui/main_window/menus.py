"""The menus; every entry is also in the F1 list."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

if TYPE_CHECKING:
    from app.gui.dialogs.models import ModelsDialog
    from app.gui.main_window.window import MainWindow


class Menus:
    """Builds the menu bar of a window and keeps its checked entries in step with the session."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.all: list[QAction] = []
        self.models: ModelsDialog | None = None
        self._groups: dict[str, dict[str, QAction]] = {}
        bar = window.menuBar()
        self._file(bar.addMenu("&File"))
        self._analysis(bar.addMenu("&Analysis"))
        self._view(bar.addMenu("&View"))
        self._tools(bar.addMenu("&Tools"))
        self._help(bar.addMenu("&Help"))
        window.resume.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Tick what the display settings say, grey what cannot be done."""
        display = self.window.session.display
        for name, chosen in (
            ("convention", display.convention),
            ("nose", display.nose),
            ("theme", display.theme),
        ):
            self._groups[name][chosen].setChecked(True)
        self.letters.setChecked(display.secondary_letters)
        self.overlay.setChecked(display.overlay != "none")
        has_case = self.window.session.case is not None
        for action in (self.export, self.folder):
            action.setEnabled(has_case)
        self.close_case.setEnabled(has_case or self.window.session.preview is not None)
        self.run.setEnabled(self.window.session.preview is not None or self.window.resume.offered)
        self.run.setText(f"&{self.window.resume.wish}")
        self.cancel.setEnabled(bool(self.window.jobs.running()))

    def _file(self, menu: QMenu) -> None:
        window = self.window
        self._add(menu, "&Open scan…", "Ctrl+O", window.ask_scan)
        self._add(menu, "Open &folder…", "Ctrl+Shift+O", window.ask_case)
        self.recent = menu.addMenu("Open &recent")
        self.recent.aboutToShow.connect(self.fill_recent)
        menu.addSeparator()
        self.export = self._add(menu, "&Export PDF…", "Ctrl+P", window.ask_export)
        self.folder = self._add(menu, "Open case &folder", "", window.actions_.open_folder)
        self.pictures = menu.addMenu("&Save view as picture")
        self.pictures.aboutToShow.connect(self._fill_pictures)
        menu.addSeparator()
        self.close_case = self._add(menu, "C&lose case", "Ctrl+W", window.close_case)
        self._add(menu, "Se&ttings…", "Ctrl+,", window.tools.show_settings)
        self._add(menu, "&Quit", "Ctrl+Q", window.close)

    def _analysis(self, menu: QMenu) -> None:
        self.run = self._add(menu, "&Run analysis", "Ctrl+R", self.window.run_from_menu)
        self.cancel = self._add(menu, "&Cancel work", "Ctrl+.", self.window.cancel_current)
        menu.addSeparator()
        tools = self.window.tools
        self._add(menu, "&Model card…", "Ctrl+M", tools.show_card)
        self._add(menu, "&Install a model from a file…", "", tools.ask_import)

    def _view(self, menu: QMenu) -> None:
        actions, session = self.window.actions_, self.window.session
        self._choices(
            menu,
            "convention",
            (("radiological", "&Radiological"), ("neurological", "&Neurological")),
            actions.set_convention,
        )
        swap = self._add(menu, "S&wap left and right", "Ctrl+Shift+N", self._swap)
        swap.setToolTip("Radiological or neurological, for every slice")
        menu.addSeparator()
        self._choices(
            menu.addMenu("Sagittal &nose"),
            "nose",
            (("left", "Nose &left"), ("right", "Nose &right")),
            actions.set_nose,
        )
        self.letters = self._add(
            menu,
            "Letters A, P, S, I",
            "Ctrl+L",
            lambda: session.set_display(secondary_letters=not session.display.secondary_letters),
        )
        self.letters.setCheckable(True)
        self.overlay = self._add(menu, "Show &overlay", "Ctrl+E", self._toggle_overlay)
        self.overlay.setCheckable(True)
        self._add(menu, "&Find region", "Ctrl+F", self.window.find_region)
        menu.addSeparator()
        self._choices(
            menu.addMenu("&Theme"),
            "theme",
            (("system", "Follow the &system"), ("dark", "&Dark"), ("light", "&Light")),
            actions.set_theme,
        )

    def _tools(self, menu: QMenu) -> None:
        self._add(menu, "&Models and atlases…", "Ctrl+Shift+M", self._show_models)

    def _show_models(self) -> None:
        from app.gui.dialogs.models import ModelsDialog

        if self.models is None:
            self.models = ModelsDialog(self.window.actions_.downloads, self.window)
            self.models.said.connect(self.window.say)
        self.models.show_now()

    def _help(self, menu: QMenu) -> None:
        self._add(menu, "&Keyboard and mouse", "F1", self.window.show_shortcuts)
        self._add(menu, "&About NeuroResponder", "", self.window.show_about)

    def _add(self, menu: QMenu, text: str, keys: str, do: Callable[[], object]) -> QAction:
        action = menu.addAction(text)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(lambda _checked=False, act=do: act())
        self.all.append(action)
        return action

    def _choices(
        self,
        menu: QMenu,
        name: str,
        options: tuple[tuple[str, str], ...],
        tell: Callable[[str], None],
    ) -> None:
        group = QActionGroup(self.window)
        self._groups[name] = {}
        for key, text in options:
            action = self._add(menu, text, "", partial(tell, key))
            action.setCheckable(True)
            group.addAction(action)
            self._groups[name][key] = action

    def fill_recent(self) -> None:
        """List what was opened last; missing ones are greyed."""
        self.recent.clear()
        paths = self.window.actions_.recent()
        for path in paths:
            there = path.exists()
            action = self.recent.addAction(path.name if there else f"{path.name} (missing)")
            action.setEnabled(there)
            action.triggered.connect(partial(self._open, path))
        if not paths:
            self.recent.addAction("Nothing was opened yet").setEnabled(False)
        self.recent.addSeparator()
        clear = self.recent.addAction("Clear list")
        clear.setEnabled(bool(paths))
        clear.triggered.connect(lambda _checked=False: self.window.clear_recent())

    def _fill_pictures(self) -> None:
        self.pictures.clear()
        for view in self.window.visible_views():
            action = self.pictures.addAction(f"{view.title_label.text()}…")
            action.triggered.connect(
                lambda _checked=False, shown=view: self.window.ask_picture(shown)
            )
        if self.pictures.isEmpty():
            self.pictures.addAction("No view is shown").setEnabled(False)

    def _open(self, path: Path, _checked: bool = False) -> None:
        self.window.actions_.open_path(path)

    def _swap(self) -> None:
        now = self.window.session.display.convention
        other = "neurological" if now == "radiological" else "radiological"
        self.window.actions_.set_convention(other)

    def _toggle_overlay(self) -> None:
        session = self.window.session
        shown = session.display.overlay != "none"
        session.set_display(overlay="none" if shown else "branches")
