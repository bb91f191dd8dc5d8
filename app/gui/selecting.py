"""What a click selects: parcel, connection and crosshair in the template's and the scan's space.

The two crosshairs mark one place where the case has a transform; otherwise each stays its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.gui.open_case import OpenCase
from app.gui.view_state import Point, Selection


def changed(selection: Selection, changes: dict[str, Any]) -> Selection:
    """The selection with other fields.

    A parcel or a connection takes the place of a network; a parcel lets go of a connection that
    does not end in it.
    """
    if changes.get("parcel") is not None or changes.get("edge") is not None:
        changes = {"network": None, **changes}
    parcel, edge = changes.get("parcel"), selection.edge
    if parcel is not None and edge is not None and parcel not in edge:
        changes = {"edge": None, **changes}
    return replace(selection, **changes)


def at_parcel(case: OpenCase | None, parcel: int | None) -> dict[str, Any]:
    """Fields of a selected parcel (0-based): the crosshair goes to its centre."""
    mm = case.parcel_centre_mm(parcel) if case is not None and parcel is not None else None
    return {"parcel": parcel, **(_both(case, mm) if mm is not None else {})}


def at_point(case: OpenCase | None, mm: Point) -> dict[str, Any]:
    """Fields of a point of the template: the parcel under it, if any, becomes selected."""
    return {**_both(case, mm), **_parcel_under(case, mm)}


def at_native_point(case: OpenCase | None, mm: Point) -> dict[str, Any]:
    """Fields of a point of the scan, and of the place in the template that it shows."""
    moved = case.template_point(mm) if case is not None else None
    if moved is None:
        return {"native_mm": mm}
    return {"native_mm": mm, "crosshair_mm": moved, **_parcel_under(case, moved)}


def _both(case: OpenCase | None, mm: Point) -> dict[str, Any]:
    native = case.scanner_point(mm) if case is not None else None
    return {"crosshair_mm": mm} if native is None else {"crosshair_mm": mm, "native_mm": native}


def _parcel_under(case: OpenCase | None, mm: Point) -> dict[str, Any]:
    parcel = case.parcel_at(mm) if case is not None else None
    return {} if parcel is None else {"parcel": parcel}
