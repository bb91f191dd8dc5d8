"""The keys of a slice: which there are, and which of them a key press means."""

from __future__ import annotations

from PySide6.QtGui import QKeyEvent

from app.gui.bindings import Binding, KeyMap
from app.gui.widgets.view_keys import ViewCommand

# The canvas with the focus reads these itself: what they do depends on its plane.
PLANE_COMMANDS: tuple[ViewCommand, ...] = (
    ViewCommand("left", "Crosshair to the left of the screen", "Left", on="stage"),
    ViewCommand("right", "Crosshair to the right of the screen", "Right", on="stage"),
    ViewCommand("up", "Crosshair up", "Up", on="stage"),
    ViewCommand("down", "Crosshair down", "Down", on="stage"),
    ViewCommand("far_left", "Five voxels to the left", "Shift+Left", on="stage"),
    ViewCommand("far_right", "Five voxels to the right", "Shift+Right", on="stage"),
    ViewCommand("far_up", "Five voxels up", "Shift+Up", on="stage"),
    ViewCommand("far_down", "Five voxels down", "Shift+Down", on="stage"),
    ViewCommand("pan_left", "Move the picture to the left", "Alt+Left", on="stage"),
    ViewCommand("pan_right", "Move the picture to the right", "Alt+Right", on="stage"),
    ViewCommand("pan_up", "Move the picture up", "Alt+Up", on="stage"),
    ViewCommand("pan_down", "Move the picture down", "Alt+Down", on="stage"),
    ViewCommand("next_slice", "Next slice", "PgUp", on="stage"),
    ViewCommand("previous_slice", "Previous slice", "PgDown", on="stage"),
    ViewCommand("zoom_in", "Zoom in", "Ctrl++; Ctrl+=", on="stage"),
    ViewCommand("zoom_out", "Zoom out", "Ctrl+-", on="stage"),
    ViewCommand("plane", "One plane alone, or all three", "Return; Enter", on="stage"),
    ViewCommand("reset", "Reset zoom, position, window and level", "R", on="stage"),
    ViewCommand(
        "window",
        "Window and level by the arrows",
        "W",
        on="stage",
        help="Left and right change the width, up and down the level; Enter ends.",
    ),
)
HELD_COMMANDS: tuple[ViewCommand, ...] = (
    ViewCommand("blink", "Hide the layers while held", "Space", on="stage"),
)
GESTURES: tuple[tuple[str, str], ...] = (
    ("Click or drag", "Move the crosshair"),
    ("Wheel", "Next or previous slice"),
    ("Ctrl + wheel", "Zoom"),
    ("Middle drag, Shift + drag, Alt + drag", "Move the picture"),
    ("Right drag", "Window (across) and level (up)"),
    ("Ctrl + right drag", "Window and level from a rectangle"),
    ("Double click", "One plane alone, or all three"),
    ("Right click", "Menu: seed map, trace, places, crosshair"),
    ("Shift + click", "Hold the time series under the pointer"),
)


class PlaneKeys:
    """Says which command a key press on a canvas means, by the user's own keys.

    Parameters
    ----------
    keys, view, title
        The session's key map; stable name and title of the view that the canvas is in.
    """

    def __init__(
        self,
        keys: KeyMap,
        view: str = "slices",
        title: str = "Slices",
        commands: tuple[ViewCommand, ...] = (*PLANE_COMMANDS, *HELD_COMMANDS),
    ) -> None:
        self._keys = keys
        self._bindings = {
            command.name: Binding(
                f"{view}.{command.name}", command.words, command.keys, command.help, title
            )
            for command in commands
        }

    @property
    def right_drag(self) -> str:
        """What a drag with the right button does: "window" or "zoom"."""
        return self._keys.right_drag

    def command(self, event: QKeyEvent) -> str:
        """Name of the command that a key press or release means; "" for none."""
        for name, binding in self._bindings.items():
            if self._keys.matches(binding, event):
                return name
        return ""
