"""Everything that a user can change about the view: one frozen tree that undo puts back whole.

To add something undoable
-------------------------
1. Add a field with a default to the part it belongs to: `slices.py`, `plots.py`, `explain.py`,
   `review.py` or `display.py`. Values are frozen: numbers, texts, tuples, frozen dataclasses. The
   saved session, undo, redo and recovery then know it without another line. Where only some
   texts are allowed, write them into the part's `CHOICES`.
2. Change it through the session, with the words that the history shows::

       session.change("Order of the matrix", "plots", order="network")
       session.change("Opacity", "slices", merge="opacity", opacity=0.4)   # a drag: one entry
       session.end_merge()                                                 # the mouse was released

3. Draw it when the part's signal comes, from the state and from nothing else::

       self.listen(session.plots_changed, self._draw)
       order = session.state.plots.order

Undo and redo set the state back through the same path: the same signals come, so a view needs no
code for them. A view keeps no copy of a value of the state.

What is where
-------------
`Selection` rides along: moving it makes no entry and never ends a redo, but each entry remembers
the selection that was left there, so that going back shows what was seen. `Display.SETTINGS`
(theme, left and right) are preferences of the application: undo leaves them as they are, and they
are not in a saved session.
"""

from __future__ import annotations

from app.gui.view_state.display import OVERLAYS, SCAN_OVERLAYS, SERIES_OVERLAYS, Display
from app.gui.view_state.explain import Explain
from app.gui.view_state.plots import Plots
from app.gui.view_state.review import Annotation, Review
from app.gui.view_state.selection import Point, Selection
from app.gui.view_state.slices import Layer, Slices
from app.gui.view_state.state import PARTS, ViewState

__all__ = [
    "OVERLAYS",
    "PARTS",
    "SCAN_OVERLAYS",
    "SERIES_OVERLAYS",
    "Annotation",
    "Display",
    "Explain",
    "Layer",
    "Plots",
    "Point",
    "Review",
    "Selection",
    "Slices",
    "ViewState",
]
