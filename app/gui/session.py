"""What is open and how it is seen: the one state that all views share.

Views read it and change it only through `select_…`, `change` and `set_display`; each change is
told once by a signal. How to add something that can be undone stands in `view_state`. Nothing
here draws, computes on voxels, or knows any widget.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.core import wording
from app.core.sides import ORIENTATION_UNKNOWN
from app.gui import selecting
from app.gui.bindings import KeyMap
from app.gui.diagnostics import note_action
from app.gui.history import History
from app.gui.open_case import OpenCase, ScanPreview, grid_centre_mm, voxel_of
from app.gui.opened_maps import OpenedMaps, ScanVolumes
from app.gui.turns import Turns
from app.gui.view_state import (
    OVERLAYS,
    PARTS,
    SERIES_OVERLAYS,
    Display,
    Point,
    Review,
    Selection,
    ViewState,
)

__all__ = [
    "OVERLAYS",
    "Display",
    "OpenCase",
    "Point",
    "ScanPreview",
    "Session",
    "grid_centre_mm",
    "voxel_of",
]

_START_MM = (0.0, -20.0, 10.0)


class Session(QObject):
    """The open case and the view state, with a signal for each thing that can change."""

    case_changed = Signal()  # another case, another scan, or none
    parcel_changed = Signal()
    edge_changed = Signal()
    frame_changed = Signal()
    frames_changed = Signal()
    crosshair_changed = Signal()
    network_changed = Signal()
    display_changed = Signal()
    slices_changed = Signal()
    plots_changed = Signal()
    explain_changed = Signal()
    review_changed = Signal()
    analysing_changed = Signal()
    volumes_changed = Signal()  # the run's volumes can be shown now
    research_wanted_changed = Signal()
    state_changed = Signal()  # after any of the signals of the view state

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case: OpenCase | None = None
        self.preview: ScanPreview | None = None
        self.analysing = False  # an analysis runs: of the scan that is open
        self.state = ViewState()
        self.history = History(self._go_to, self.state, self)
        self.research_wanted = False
        self.turns = Turns(self)
        self.keys = KeyMap(parent=self)
        self.maps = OpenedMaps(self)
        self._volumes: ScanVolumes | None = None
        self.files: dict[str, Path] = {}  # SHA-256 of a map that a layer shows -> its file
        self._scan_sha256 = ""  # of what the history is about
        self._begun = Selection()  # where the open case began, before anyone selected anything

    # the view state, by its parts -------------------------------------------

    @property
    def parcel(self) -> int | None:
        """The selected parcel, 0-based in atlas order."""
        return self.state.selection.parcel

    @property
    def edge(self) -> tuple[int, int] | None:
        """The selected connection."""
        return self.state.selection.edge

    @property
    def selected_parcels(self) -> tuple[int, ...]:
        """The selected parcel, or those of the selected network."""
        network, parcel = self.state.selection.network, self.parcel
        if network is not None and self.case is not None:
            return self.case.parcels_of(network)
        return () if parcel is None else (parcel,)

    @property
    def frame(self) -> int:
        """Index into the case's frames, first = 0."""
        return self.state.selection.frame

    @property
    def crosshair_mm(self) -> Point:
        """Where the crosshair stands in the template."""
        return self.state.selection.crosshair_mm

    @property
    def native_mm(self) -> Point:
        """Where the crosshair stands in the scan's own space."""
        return self.state.selection.native_mm

    @property
    def display(self) -> Display:
        """How things are drawn."""
        return self.state.display

    @property
    def drawn(self) -> OpenCase | None:
        """The open case as its explanation is drawn: from the baseline that was chosen.

        Maps, tables and their exports show this one; the card, the report and whatever is
        written into the case folder belong to the answer's own map, `case`.
        """
        if self.case is None:
            return None
        return self.case.from_baseline(self.state.explain.baseline)

    # what is open -----------------------------------------------------------

    @property
    def orientation_known(self) -> bool:
        """Whether left and right of what is open are known; also in the template's space."""
        if self.preview is not None:
            return self.preview.scan.orientation_known
        return self.case is None or self.case.case.scan.orientation_known

    @property
    def convention_word(self) -> str:
        """The word in the corner of every slice: the convention, where there is a left."""
        return self.display.convention_word if self.orientation_known else ORIENTATION_UNKNOWN

    def show_case(self, opened: OpenCase | None) -> None:
        """Make a case the open one; the selection starts at its strongest parcel.

        More of the scan that is open already (its analysis goes on) keeps layers, edits and
        history; the same case (a job added to it) also keeps what the user has selected.
        """
        before, self.case, self.preview = self.case, opened, None
        goes_on = opened is not None and opened.goes_on_from(before)
        if goes_on and self.state.selection != self._begun:
            self._start(self._inside(self.state.selection))
            return
        native = self.native_mm
        if opened is not None:
            view = opened.view
            if view.native_boldref is not None and view.native_affine is not None:
                native = grid_centre_mm(view.native_boldref.shape, view.native_affine)
        self._start(Selection(crosshair_mm=_START_MM, native_mm=native))
        self.select_parcel(opened.first_parcel if opened is not None else None)
        self._begun = self.state.selection

    def set_analysing(self, on: bool) -> None:
        """An analysis began or ended."""
        if on != self.analysing:
            self.analysing = on
            self.analysing_changed.emit()

    def exchange_case(self, opened: OpenCase) -> None:
        """Show the open case otherwise, such as with edited frames; the state stays as it is."""
        self.case = opened
        self.case_changed.emit()

    def show_preview(self, preview: ScanPreview | None) -> None:
        """Make a scan that has not been analysed the open thing."""
        self.case, self.preview = None, preview
        selection = replace(self.state.selection, parcel=None, edge=None, frame=0, frames=None)
        if preview is not None:
            native = grid_centre_mm(preview.scan.shape, preview.scan.affine)
            selection = replace(selection, native_mm=native)
        self._start(selection)

    def _start(self, selection: Selection) -> None:
        """Begin at a selection; for another scan also with a fresh state and history."""
        now = self.scan_sha256
        if now != self._scan_sha256 or not now:
            self.files.clear()
            self.state = replace(self.state.for_another_case(), selection=selection)
            if self.case is not None:
                self.state = replace(self.state, review=Review(censored=self.case.left_out))
            self.history.clear(self.state)
            self.maps.clear()
        else:
            self.state = replace(self.state, selection=selection)
            self.history.note(self.state)
        self._scan_sha256 = now
        self.case_changed.emit()

    def stamps(self) -> tuple[str, ...]:
        """Words that every view and every picture of it must carry."""
        if self.case is not None:
            return wording.case_stamps(self.case.case)
        if self.preview is not None:
            return wording.stamps(simulated=self.preview.scan.simulated, research_only=False)
        return ()

    @property
    def scan_sha256(self) -> str:
        """Hash of the scan that is open or was analysed; "" where nothing is open."""
        if self.case is not None:
            return self.case.case.scan.sha256
        return self.preview.scan.sha256 if self.preview is not None else ""

    @property
    def volumes(self) -> ScanVolumes | None:
        """The volumes of the run that is open, where its scan was decoded."""
        found = self._volumes
        return found if found is not None and found.sha256 == self.scan_sha256 else None

    def show_volumes(self, volumes: ScanVolumes) -> None:
        """Offer the volumes of a decoded scan; those of another scan are not shown."""
        self._volumes = volumes
        self.volumes_changed.emit()

    @property
    def no_image(self) -> bool:
        """Whether only parcel series are open: there is no picture to wait for."""
        if self.preview is not None:
            return not self.preview.scan.is_image
        return self.case is not None and not self.case.case.scan.is_image

    @property
    def frame_count(self) -> int:
        """Frames of the case that is open; 0 where there are none."""
        signals = self.case.case.signals if self.case is not None else None
        return 0 if signals is None else len(signals.good_frames)

    # the selection ----------------------------------------------------------

    def select(self, **changes: Any) -> None:
        """Change fields of `Selection` together and tell each once; no entry of the history."""
        selection = selecting.changed(self.state.selection, changes)
        state = replace(self.state, selection=selection)
        self.history.note(state)
        self._show(state)

    def select_parcel(self, parcel: int | None) -> None:
        """Select one parcel everywhere; the crosshair goes to its centre."""
        self.select(**selecting.at_parcel(self.case, parcel))

    def select_edge(self, first: int, second: int) -> None:
        """Select one connection; its first end becomes the selected parcel."""
        self.select(edge=(first, second), **selecting.at_parcel(self.case, first))

    def select_frame(self, frame: int) -> None:
        """Move the frame cursor; frames count from 0."""
        if self.frame_count:
            frame = min(max(frame, 0), self.frame_count - 1)
        self.select(frame=frame)

    def select_only_frame(self, frame: int) -> None:
        """Move the frame cursor and select no range of frames any more."""
        self.select(frames=None)
        self.select_frame(frame)

    def select_frames(self, first: int, last: int) -> None:
        """Select the frames from one to another, both inside, in either order."""
        ends = sorted(min(max(end, 0), max(self.frame_count - 1, 0)) for end in (first, last))
        self.select(frames=(ends[0], ends[1]))

    def extend_frames(self, step: int) -> None:
        """Move the frame cursor by a step and take the selected range with it, as a drag does."""
        now = min(max(self.frame + step, 0), max(self.frame_count - 1, 0))
        first, last = self.state.selection.frames or (self.frame, self.frame)
        if self.frame not in (first, last):
            first = last = self.frame
        fixed = first if self.frame == last else last
        self.select(frames=(min(fixed, now), max(fixed, now)), frame=now)

    def select_network(self, network: str | None) -> None:
        """Select a network everywhere, in place of parcel and connection: one entry to undo."""
        words = f"Network: {network}" if network is not None else "Selection cleared"
        self._replace_selection(words, network=network)

    def clear_selection(self) -> None:
        """Select nothing any more; crosshair and frame cursor stay. One entry to undo."""
        self._replace_selection("Selection cleared", network=None, frames=None)

    def _replace_selection(self, words: str, **changes: Any) -> None:
        selection = replace(self.state.selection, parcel=None, edge=None, **changes)
        if selection != self.state.selection:
            self.history.push(words, replace(self.state, selection=selection))

    def select_point(self, mm: Point) -> None:
        """Move the crosshair in template space; the parcel under it becomes selected."""
        self.select(**selecting.at_point(self.case, mm))

    def select_native_point(self, mm: Point) -> None:
        """Move the crosshair of the scan in scanner space; that of the template goes with it."""
        self.select(**selecting.at_native_point(self.case, mm))

    # what is undone and redone ------------------------------------------------

    def change(self, words: str, part: str, *, merge: str = "", **changes: Any) -> None:
        """Change fields of one part of the state as one named entry of the history.

        Parameters
        ----------
        words
            What the history calls it, such as "Order of the matrix".
        part
            One of `view_state.PARTS`.
        merge
            Name of a drag: its changes become one entry, until `end_merge` or a second's rest.
        """
        old = getattr(self.state, part)
        new = replace(old, **changes)
        if new != old:
            note_action(f"change {part} {' '.join(changes)}")
            self.history.push(words, replace(self.state, **{part: new}), merge)

    def end_merge(self) -> None:
        """A drag is over: the next change is an entry of its own."""
        self.history.end_merge()

    def set_display(self, **changes: Any) -> None:
        """Change display settings by name and tell once; preferences make no entry."""
        names = [name for name in changes if name not in Display.SETTINGS]
        settings = {name: value for name, value in changes.items() if name not in names}
        if settings:
            display = replace(self.display, **settings)
            state = replace(self.state, display=display)
            self.history.note(state)
            self._show(state)
        if names:
            words = Display.WORDS.get(names[0], names[0])
            merge = names[0] if names[0] in Display.DRAGGED else ""
            self.change(words, "display", merge=merge, **{n: changes[n] for n in names})

    def restore(self, state: ViewState) -> None:
        """Show a saved state of what is open; the history starts anew from it."""
        inside = self._inside(state.selection)
        state = replace(state, selection=inside).with_settings_of(self.state)
        self.history.clear(state)
        self._show(state)

    def _inside(self, selection: Selection) -> Selection:
        networks = self.case.networks if self.case is not None else ()
        return selection.within(networks, self.frame_count)

    def _go_to(self, state: ViewState) -> None:
        """What the history shows: the application's preferences stay as they are."""
        self._show(state.with_settings_of(self.state))

    def _show(self, state: ViewState) -> None:
        """Take over a state and tell what differs; the only place where it changes."""
        old, self.state = self.state, state
        new = state
        if new == old:
            return
        for name in ("parcel", "edge", "frame", "frames", "network"):
            if getattr(old.selection, name) != getattr(new.selection, name):
                getattr(self, f"{name}_changed").emit()
        before, after = old.selection, new.selection
        if (before.crosshair_mm, before.native_mm) != (after.crosshair_mm, after.native_mm):
            self.crosshair_changed.emit()
        framed = old.selection.frames != new.selection.frames
        framed = framed and new.display.overlay in SERIES_OVERLAYS
        rebased = old.explain.baseline != new.explain.baseline
        for part in PARTS:
            # the series map is of the selected frames, and every map (b) of the chosen baseline:
            # whoever draws them hears of it here
            redrawn = part == "display" and (framed or rebased)
            if redrawn or getattr(old, part) != getattr(new, part):
                getattr(self, f"{part}_changed").emit()
        self.state_changed.emit()

    # how new runs start -------------------------------------------------------

    @property
    def may_overrule(self) -> bool:
        """Whether overruling is offered: research mode, and a verdict that can be overruled."""
        return self.research_wanted and self.case is not None and self.case.may_be_overruled

    def set_research_wanted(self, wanted: bool) -> None:
        """Whether new runs start in research mode; each run can still say otherwise."""
        if wanted != self.research_wanted:
            self.research_wanted = wanted
            self.research_wanted_changed.emit()
