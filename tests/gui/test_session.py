"""One selection for all views."""

from __future__ import annotations

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


def test_that_an_unknown_display_setting_is_refused(session: Session) -> None:
    with pytest.raises(TypeError):
        session.set_display(colour="blue")


def test_that_a_withheld_case_has_no_attribution_to_show(case_folders: dict[str, object]) -> None:
    opened = OpenCase.read(case_folders["withheld"])  # type: ignore[arg-type]
    assert opened.withheld
    assert opened.attribution is None
