"""What the actions cannot decide alone: which series or run, which repetition time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.core.errors import AppError
from app.gui.actions import Selection
from app.gui.dialogs.picker import PickerDialog
from app.gui.dialogs.questions import ask_leave, ask_repetition_time
from app.gui.widgets.file_dialogs import ask_folder, ask_open
from app.scans.contents import Choice, Contents

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


def open_dropped(window: MainWindow, paths: Sequence[Path]) -> None:
    """Open what was dropped: one thing, or the folder of files that may be one series."""
    maps = [path for path in paths if path.name.lower().endswith(".gii")]
    if maps and window.session.case is not None:
        window.exports.maps.actions.open_maps(maps)  # GIfTI is never a scan here
        return
    first = paths[0]
    together = len({path.parent for path in paths}) == 1
    if len(paths) > 1 and together and not first.name.lower().endswith((".nii", ".nii.gz")):
        first = first.parent
    elif len(paths) > 1:
        window.say("Only the first of the dropped files is opened.")
    window.actions_.open_path(first)


class Asking(QObject):
    """Shows the dialogs that the actions ask for and takes their answers back."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        window.actions_.choice_wanted.connect(self.pick)
        window.actions_.repetition_time_wanted.connect(self.state_repetition_time)
        window.actions_.leaving.asked.connect(partial(ask_leave, window))

    def ask_scan(self) -> None:
        """Choose a scan."""
        name, _ = ask_open(
            self.window,
            "Open scan",
            "",
            "Scans (*.nii *.nii.gz *.dcm *.IMA *.tsv *.csv *.npy);;All (*)",
        )
        if name:
            self.window.actions_.open_path(Path(name))

    def ask_case(self) -> None:
        """Choose a case folder or a folder of scans."""
        name = ask_folder(self.window, "Open DICOM, BIDS or case folder")
        if name:
            self.window.actions_.open_path(Path(name))

    def pick(self, contents: Contents) -> None:
        """Choose a series or run."""

        def chosen(choice: Choice, confounds: Path | None) -> None:
            self.window.actions_.open_choice(choice, confounds)

        PickerDialog(contents, chosen, self.window).open()

    def state_repetition_time(self, path: Path, selection: Selection, error: AppError) -> None:
        """State what the file does not say, or says against itself."""

        def stated(seconds: float) -> None:
            self.window.actions_.open_scan(path, seconds, selection)

        ask_repetition_time(self.window, error.message, stated)
