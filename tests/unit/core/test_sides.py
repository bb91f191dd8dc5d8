"""Where orientation is unknown nothing has a left or a right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.results import PARCEL_SPACE
from app.core.sides import side_word, without_side, without_unknown_sides
from tests.unit.reporting.small_case import small_case


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("Primary_Visual_Cortex_L", "Primary_Visual_Cortex"),
        ("R_V1", "V1"),
        ("Left_Crus_I", "Crus_I"),
        ("7Networks_LH_Vis_1", "7Networks_Vis_1"),
        ("Lateral_Area_R", "Lateral_Area"),
        ("Brainstem", "Brainstem"),
    ],
)
def test_that_the_mark_of_a_side_is_taken_from_a_name(name: str, bare: str) -> None:
    assert without_side(name) == bare


@pytest.mark.parametrize(("sform", "qform", "known"), [(0, 0, False), (1, 0, True), (0, 2, True)])
def test_that_either_code_makes_orientation_known(sform: int, qform: int, known: bool) -> None:
    scan = replace(small_case().scan, sform_code=sform, qform_code=qform)
    assert scan.orientation_known is known
    assert replace(scan, space=PARCEL_SPACE).orientation_known  # sides are the atlas's


def test_that_only_a_case_of_unknown_orientation_loses_its_sides() -> None:
    case = small_case()
    assert without_unknown_sides(case) is case
    assert case.signals is not None
    middle = replace(case.signals, hemispheres=("M", *case.signals.hemispheres[1:]))
    scan = replace(case.scan, sform_code=0, qform_code=0)
    shown = without_unknown_sides(replace(case, scan=scan, signals=middle)).signals
    assert shown is not None
    assert shown.hemispheres == ("M", *"?" * 7)
    assert shown.parcel_names[0] == "Box_0_L"  # a midline name is left as it is
    assert shown.parcel_names[1:] == tuple(f"Box_{number}" for number in range(1, 8))
    assert [side_word(side) for side in "LRM?"] == ["left", "right", "midline", "side unknown"]
