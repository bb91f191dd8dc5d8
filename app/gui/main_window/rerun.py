"""A new run of the open case's scan, with the frames that the user leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core.errors import ScanError

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


def run_again(window: MainWindow) -> None:
    """Analyse the scan again without the frames that are left out by hand.

    A case does not keep where its scan lies; where that is not known any more, the user is asked
    to open the scan: the edited frames stay and go into that run.
    """
    analyse_again(
        window, "Open the scan and run the analysis: your frames are kept and go into it."
    )


def analyse_again(window: MainWindow, hint: str, **changes: Any) -> None:
    """Ask for the open case's scan once more, with the frames on screen and some `changes`.

    `hint` says what to do where the scan is not known any more.
    """
    session, actions = window.session, window.actions_
    if session.case is None:
        return
    case = session.case.case
    request = actions.requests.get(case.scan.sha256)
    if request is None or not request.scan_path.exists():
        actions.messages.tell(
            ScanError(
                "Where this case's scan lies is not known: a case does not keep it.",
                hint,
                code="gui.scan_not_known",
            )
        )
        return
    wanted = replace(
        request,
        censored_frames=session.state.review.censored,
        participant_uuid=case.participant.uuid,
        **changes,
    )
    actions.analyse(wanted, case.scan.sha256)
