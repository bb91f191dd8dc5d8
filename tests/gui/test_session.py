"""One selection for all views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.gui.session import OpenCase, Session


def test_that_a_case_starts_at_its_strongest_parcel(session: Session) -> None:
    opened = session.case
    assert opened is not None
    assert opened.attribution is not None
    strength = np.abs(opened.attribution.scan.per_parcel)
    assert session.parcel == int(strength.argmax())


def test_that_selecting_a_parcel_moves_the_crosshair_into_it(session: Session) -> None:
    assert session.case is not None
    for parcel in (0, 179, 180, 359, 360, 425):
        session.select_parcel(parcel)
        assert session.case.parcel_at(session.crosshair_mm) == parcel


def test_that_left_parcels_lie_at_negative_x(session: Session) -> None:
    assert session.case is not None
    signals = session.case.case.signals
    assert signals is not None
    for parcel in (0, 100, 370):
        assert signals.hemispheres[parcel] == "L"
        assert session.case.parcel_centre_mm(parcel)[0] < 0  # type: ignore[index]
    for parcel in (180, 300, 400):
        assert signals.hemispheres[parcel] == "R"
        assert session.case.parcel_centre_mm(parcel)[0] > 0  # type: ignore[index]


def test_that_a_selection_is_told_once(session: Session, qtbot: object) -> None:
    told: list[int | None] = []
    session.parcel_changed.connect(lambda: told.append(session.parcel))
    session.select_parcel(7)
    session.select_parcel(7)
    session.select_edge(7, 9)
    assert told == [7]
    assert session.edge == (7, 9)


def test_that_frames_stay_inside_the_scan(session: Session) -> None:
    session.select_frame(10_000)
    assert session.frame == 235
    session.select_frame(-3)
    assert session.frame == 0


def test_that_a_job_that_added_to_the_case_leaves_the_selection(
    session: Session, case_folders: dict[str, Path]
) -> None:
    session.select_edge(77, 9)
    session.select_frame(12)
    session.select_frames(10, 14)
    chosen = session.state.selection
    session.show_case(OpenCase.read(case_folders["result"]))  # as read after a job
    assert session.state.selection == chosen
    assert session.case is not None
    session.show_case(session.case.as_stale("The scan was changed"))
    assert session.state.selection == chosen
    session.show_case(OpenCase.read(case_folders["withheld"]))
    assert (session.parcel, session.edge, session.frame) == (0, None, 0)


def test_that_an_untouched_selection_goes_to_the_strongest_parcel_once_it_is_known(
    session: Session,
) -> None:
    whole = session.case
    assert whole is not None
    session.show_case(None)
    session.show_case(replace(whole, case=replace(whole.case, attribution=None)))
    assert session.parcel == 0
    session.show_case(whole)
    assert session.parcel == whole.first_parcel != 0


def test_that_an_unknown_display_setting_is_refused(session: Session) -> None:
    with pytest.raises(TypeError):
        session.set_display(colour="blue")


def test_that_a_withheld_case_has_no_attribution_to_show(case_folders: dict[str, object]) -> None:
    opened = OpenCase.read(case_folders["withheld"])  # type: ignore[arg-type]
    assert opened.withheld
    assert opened.attribution is None
