"""Where maps come from and go to: asks for files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.gui.map_actions import MapActions
from app.gui.widgets.file_dialogs import ask_folder, ask_open, ask_open_several

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

_MAP_FILES = "Maps (*.nii *.nii.gz *.gii);;All (*)"


class Maps:
    """The window's questions about maps."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        actions = window.actions_
        self.actions = MapActions(
            window.session, window.jobs, actions.messages, actions.scratch_folder, window
        )
        self.actions.said.connect(window.say)

    def ask_open(self) -> None:
        """Choose maps or masks; all of them become layers at once."""
        names, _ = ask_open_several(self.window, "Add maps as layers", "", _MAP_FILES)
        self.actions.open_maps([Path(name) for name in names])

    def ask_export(self, key: str) -> None:
        """Choose the folder that a layer is written to."""
        folder = ask_folder(self.window, "Write NIfTI, GIfTI and table to")
        if folder:
            self.actions.export_layer(key, Path(folder))

    def ask_volumes(self) -> None:
        """Decode the case's own scan; where it lies is asked if it is not known."""
        opened = self.window.session.case
        if opened is None:
            return
        request = self.window.actions_.requests.get(opened.case.scan.sha256)
        if request is not None and request.scan_path.exists():
            self.actions.open_volumes(request.scan_path, request.series)
            return
        name, _ = ask_open(
            self.window, "The scan of this case", "", "NIfTI scans (*.nii *.nii.gz);;All (*)"
        )
        if name:
            self.actions.open_volumes(Path(name))

    def close(self) -> None:
        """End the worker."""
        self.actions.close()
