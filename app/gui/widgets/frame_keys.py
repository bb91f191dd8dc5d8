"""What keys do with frames in every view over time: the twin of clicking and dragging there."""

from __future__ import annotations

from app.gui.session import Session
from app.gui.widgets.view_keys import ViewCommand

FRAME_COMMANDS = (
    ViewCommand("back", "Volume before", ",", "volume_before"),
    ViewCommand("on", "Next volume", ".", "volume_after"),
    ViewCommand("extend_back", "Select frames up to the volume before", "[", "extend_back"),
    ViewCommand("extend_on", "Select frames up to the next volume", "]", "extend_on"),
)


class FrameKeys:
    """For a view with `FRAME_COMMANDS` among its commands."""

    session: Session

    def volume_before(self) -> None:
        """One volume back."""
        self.session.select_frame(max(self.session.frame - 1, 0))

    def volume_after(self) -> None:
        """One volume on."""
        self.session.select_frame(self.session.frame + 1)

    def extend_back(self) -> None:
        """The selected frames reach to the volume before."""
        self.session.extend_frames(-1)

    def extend_on(self) -> None:
        """The selected frames reach to the next volume."""
        self.session.extend_frames(1)
