"""Undo and redo put back the whole view, one named entry after another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.gui.session import OpenCase, Session
from app.gui.view_state import Annotation, Layer, ViewState
from app.gui.view_state.codec import from_plain, to_plain
from app.gui.view_state.slices import Place, Window


def mixed_changes(session: Session) -> list[Any]:
    """Twenty changes of all parts, each an entry of its own."""
    layer = Layer("a", "scan", "Attribution (b)")
    return [
        lambda: session.set_display(overlay="branches"),
        lambda: session.change("Add layer", "slices", layers=(layer,)),
        lambda: session.change("Order of the matrix", "plots", order="atlas"),
        lambda: session.change("Censor frames 10 to 12", "review", censored=(10, 11, 12)),
        lambda: session.set_display(hidden_share=0.5),
        lambda: session.change("Hold a trace", "plots", held=("parcel:4",)),
        lambda: session.set_display(matrix="scan"),
        lambda: session.change("Add note", "review", annotations=(Annotation("look"),)),
        lambda: session.change("Window", "slices", windows=(Window("template", 5.0, 90.0),)),
        lambda: session.change("Connections", "plots", edge_count=20),
        lambda: session.set_display(surface="inflated"),
        lambda: session.change("Unstable", "explain", show_unstable=True),
        lambda: session.change("Threshold", "plots", threshold=0.3),
        lambda: session.set_display(secondary_letters=False),
        lambda: session.change("Exclude", "review", included=False),
        lambda: session.change("Carpet", "plots", carpet_share=0.0),
        lambda: session.change("Remove layer", "slices", layers=()),
        lambda: session.set_display(underlay="boldref"),
        lambda: session.change("Uncensor", "review", censored=()),
        lambda: session.set_display(opacity=0.3),
    ]


def test_that_entry_5_of_20_brings_back_what_was_noted_there(session: Session) -> None:
    noted: list[ViewState] = [session.state]
    for number, change in enumerate(mixed_changes(session)):
        change()
        session.select_parcel(10 + number)  # looking around makes no entry
        session.select_frame(number)
        noted.append(session.state)
    assert len(session.history.entries()) == 20
    assert session.history.entries()[3] == "Censor frames 10 to 12"
    session.history.stack.setIndex(5)
    assert session.state == noted[5]
    session.select_parcel(99)  # looking around does not end the redo
    for number in (20, 0, 13):
        session.history.stack.setIndex(number)
        assert session.state == noted[number]
    session.history.stack.setIndex(5)
    assert session.parcel == 99
    assert session.state.display == noted[5].display


def test_that_a_drag_is_one_entry_and_the_next_drag_another(session: Session) -> None:
    for share in (0.8, 0.7, 0.6):
        session.set_display(opacity=share)
    session.end_merge()
    session.set_display(opacity=0.2)
    assert session.history.entries() == ("Opacity: 85 % → 60 %", "Opacity: 60 % → 20 %")
    session.history.stack.undo()
    assert session.display.opacity == 0.6
    session.history.stack.undo()
    assert session.display.opacity == 0.85


def test_that_undo_tells_only_what_changed(session: Session) -> None:
    told: list[str] = []
    for name in ("display", "slices", "plots", "explain", "review", "parcel", "crosshair"):
        getattr(session, f"{name}_changed").connect(lambda name=name: told.append(name))
    session.change("Order", "plots", order="cluster")
    session.change("Order", "plots", order="cluster")
    session.history.stack.undo()
    assert told == ["plots", "plots"]
    assert session.history.entries() == ("Order: By network → Hierarchical",)


def test_that_entries_say_from_what_to_what(session: Session) -> None:
    shared = session.state.slices.shared
    file = Layer("file:ab", "file:ab", "sub-Anna_lesion.nii.gz")
    session.change("Threshold", "plots", threshold=0.5)
    session.change("Threshold", "plots", threshold=0.65)
    session.change("Threshold", "plots", threshold=0.0, edge_count=20)
    session.set_display(hidden_share=0.5)
    session.set_display(overlay="branches")
    session.change("Colour map", "slices", shared=replace(shared, colour_map="PuOr"))
    session.change("Layer added", "slices", layers=(file,))
    session.change("Opacity", "slices", layers=(replace(file, opacity=0.5),))
    session.change("Hold a trace", "plots", held=("parcel:11",))
    session.change("Place kept", "slices", places=(Place((1.0, -2.5, 30.0), "MNI", "Anna"),))
    session.change("Window", "slices", windows=(Window("template", 5.0, 90.0),))
    session.change("Comment of the report", "review", comment="Anna was tired")
    session.change("Baseline", "explain", baseline=2)
    assert session.history.entries() == (
        "Threshold: all → ≥ 0.500",
        "Threshold: ≥ 0.500 → ≥ 0.650",
        "Threshold: ≥ 0.650 → all; by magnitude → strongest 20",
        "Threshold: 90 % hidden → 50 % hidden",
        "Overlay: (b) whole scan → (a) each branch",
        "Colour map: shared overlay, Blue to red (RdBu_r) → Orange to purple (PuOr)",
        "Layer added",
        "Opacity: layer 2, 85 % → 50 %",
        "Hold a trace: parcel 12",
        "Place kept: 1.0, -2.5, 30.0 mm",
        "Window: automatic → 5 to 90",
        "Comment of the report",
        "Baseline: the answer's own → number 2 of the list",
    )


def test_that_undo_never_turns_left_and_right_round(session: Session) -> None:
    session.set_display(convention="neurological", overlay="none")
    session.history.stack.undo()
    assert session.display.overlay == "scan"
    assert session.display.convention == "neurological"
    session.set_display(theme="light")
    session.history.stack.redo()
    assert (session.display.overlay, session.display.theme) == ("none", "light")


def test_that_another_case_begins_a_new_history_and_keeps_how_things_are_drawn(
    session: Session,
) -> None:
    session.set_display(surface="inflated")
    session.change("Censor", "review", censored=(3,))
    session.show_case(session.case)  # the same scan: its analysis went on
    assert session.state.review.censored == (3,)
    assert len(session.history.entries()) == 2
    session.show_case(None)
    assert session.history.entries() == ()
    assert session.state.review.censored == ()
    assert session.display.surface == "inflated"


def test_that_a_state_survives_json_without_the_applications_preferences(
    session: Session,
) -> None:
    for change in mixed_changes(session):
        change()
    session.select_frames(30, 12)
    session.select_edge(4, 9)
    plain = to_plain(session.state)
    assert "convention" not in plain["display"]
    assert from_plain(plain) == session.state


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("plots", "order", "by mood"),
        ("plots", "threshold", "high"),
        ("display", "overlay", "heat"),
        ("review", "censored", [1.5]),
        ("slices", "windows", [1.0]),
        ("display", "opacity", float("nan")),
    ],
)
def test_that_a_foreign_value_is_refused(part: str, name: str, value: object) -> None:
    plain = to_plain(ViewState())
    plain[part][name] = value
    with pytest.raises(ValueError):
        from_plain(plain)


def test_that_a_restored_selection_stays_inside_the_open_case(
    session: Session, case_folders: dict[str, Path]
) -> None:
    plain = to_plain(session.state)
    plain["selection"] |= {"parcel": 4000, "edge": [1, 4000], "frame": 9000, "frames": [3, 9000]}
    session.restore(from_plain(plain))
    assert (session.parcel, session.edge, session.frame) == (None, None, 235)
    assert session.state.selection.frames is None
    assert session.history.entries() == ()
    assert isinstance(session.case, OpenCase)
