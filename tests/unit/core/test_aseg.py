"""The 45 volumes of the structural branch."""

from __future__ import annotations

from app.core.aseg import ASEG_ALIASES, ASEG_VOLUMES


def test_that_there_are_45_different_volumes_in_freesurfers_order():
    assert len(ASEG_VOLUMES) == len(set(ASEG_VOLUMES)) == 45
    assert ASEG_VOLUMES[4] == "Left-Thalamus"
    assert ASEG_VOLUMES[8:14] == (
        "3rd-Ventricle",
        "4th-Ventricle",
        "Brain-Stem",
        "Left-Hippocampus",
        "Left-Amygdala",
        "CSF",
    )
    assert ASEG_VOLUMES[18] == "Right-Lateral-Ventricle"
    assert ASEG_VOLUMES[32] == "5th-Ventricle"
    assert ASEG_VOLUMES[-5:] == (
        "CC_Posterior",
        "CC_Mid_Posterior",
        "CC_Central",
        "CC_Mid_Anterior",
        "CC_Anterior",
    )


def test_that_both_sides_have_the_same_parts():
    left = {name[5:] for name in ASEG_VOLUMES if name.startswith("Left-")}
    right = {name[6:] for name in ASEG_VOLUMES if name.startswith("Right-")}
    assert left == right
    assert set(ASEG_ALIASES.values()) <= set(ASEG_VOLUMES)
