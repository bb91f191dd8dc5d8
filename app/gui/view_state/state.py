"""The whole of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.gui.view_state.display import Display
from app.gui.view_state.explain import Explain
from app.gui.view_state.plots import Plots
from app.gui.view_state.review import Review
from app.gui.view_state.selection import Selection
from app.gui.view_state.slices import Slices

# Each part has a signal `<part>_changed` of the session; the selection has one a field.
PARTS = ("display", "slices", "plots", "explain", "review")


@dataclass(frozen=True, slots=True)
class ViewState:
    """All that is undone, redone, saved and recovered."""

    selection: Selection = field(default_factory=Selection)
    display: Display = field(default_factory=Display)
    slices: Slices = field(default_factory=Slices)
    plots: Plots = field(default_factory=Plots)
    explain: Explain = field(default_factory=Explain)
    review: Review = field(default_factory=Review)

    def for_another_case(self) -> ViewState:
        """A fresh state that keeps how things are drawn."""
        return ViewState(display=self.display)

    def with_settings_of(self, other: ViewState) -> ViewState:
        """This state with the application's preferences of another one."""
        kept = {name: getattr(other.display, name) for name in Display.SETTINGS}
        return replace(self, display=replace(self.display, **kept))
