"""What leaves the window at the user's wish: the PDF, a view's picture, a view's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import StorageError
from app.gui.main_window.maps import Maps
from app.gui.widgets.file_dialogs import ask_save
from app.gui.widgets.pictures import FORMATS
from app.gui.widgets.tables import TableDialog
from app.gui.widgets.view import View

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


class Exports:
    """Asks where things go and says whether they came there."""

    maps: Maps

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.maps: Maps = Maps(window)
        self._of: dict[TableDialog, object] = {}  # what each open table is about
        for signal in (window.session.case_changed, window.session.explain_changed):
            signal.connect(self._close_old_tables)

    def close(self) -> None:
        """End what works for exports and imports of maps."""
        self.maps.close()

    def ask_pdf(self) -> None:
        """Choose where the PDF goes."""
        opened = self.window.session.case
        if opened is None:
            return
        proposed = f"{opened.case.stem()}_desc-summary.pdf"
        name, _ = ask_save(self.window, "Export PDF", proposed, "PDF (*.pdf)")
        if name:
            self.window.reports.export(Path(name))

    def ask_picture(self, view: View | None = None) -> None:
        """Choose where a view's picture goes; by itself the view with the focus."""
        view = view or self.window.focused_view()
        if view is None:
            return
        opened = self.window.session.case
        stem = opened.case.stem() if opened is not None else "scan"
        name, chosen = ask_save(
            self.window,
            "Save view as picture",
            f"{stem}_{view.name}.png",
            ";;".join(FORMATS.values()),
        )
        if not name:
            return
        path = Path(name)
        if path.suffix.lower() not in FORMATS:
            ending = next((end for end, words in FORMATS.items() if words == chosen), ".png")
            path = path.with_name(path.name + ending)
        if view.save_picture(path):
            self.window.say("The picture was saved.")
        else:
            self.window.actions_.messages.tell(
                StorageError("The picture could not be saved.", "Choose another folder.")
            )

    def show_table(self, view: View | None = None) -> TableDialog | None:
        """The table twin of a view, beside the window."""
        view = view or self.window.focused_view()
        if view is not None:
            view.session.turns.finish(view)
        table = view.as_table() if view is not None else None
        if view is None or table is None:
            self.window.say("This view has no table to show now.")
            return None
        dialog = TableDialog(view.title_label.text(), view.stamp_text(), table, self.window)
        self._of[dialog] = self._subject()
        dialog.finished.connect(lambda _result: self._of.pop(dialog, None))
        dialog.show()
        return dialog

    def _subject(self) -> object:
        """Whose numbers are shown, from which frames and baseline, and whether they still stand.

        Explanation health marks what is unstable: a table that was opened before does not say so.
        """
        session, opened = self.window.session, self.window.session.case
        stale = opened.stale if opened is not None else ""
        case_id = opened.case.case_id if opened is not None else ""
        drawn = session.drawn
        baseline = drawn.baseline if drawn is not None else ""
        judged = opened is not None and opened.health is not None
        censored = session.state.review.censored
        return session.scan_sha256, case_id, stale, censored, baseline, judged

    def _close_old_tables(self) -> None:
        """No table of another participant or baseline, or of a number that is gone, stays open."""
        for dialog, about in tuple(self._of.items()):
            if about != self._subject():
                dialog.close()
