"""Colour maps against matplotlib and nilearn, and the scale known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.colour_maps import COLOUR_MAPS, LayerScale, as_layer_scale, colour_table
from app.core.colours import MagnitudeScale, SignedScale


@pytest.mark.parametrize("name", ["RdBu_r", "PuOr", "cividis"])
def test_that_tables_are_those_of_matplotlib(name: str) -> None:
    import matplotlib

    theirs = matplotlib.colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3].astype(int)
    assert (
        np.abs(colour_table(name).astype(int) - theirs).max() <= 6
    )  # cividis is sampled at 33 places


def test_that_cold_hot_is_nilearns_apart_from_its_dark_middle() -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from nilearn.plotting.cm import _cmap_d

    theirs = _cmap_d["cold_hot"]
    assert isinstance(theirs, LinearSegmentedColormap)
    wanted = theirs(np.linspace(0, 1, 256), bytes=True)[:, :3].astype(int)
    found = colour_table("cold_hot").astype(int)
    assert np.abs(found - wanted).max() <= 12
    assert "not colour-blind safe" in COLOUR_MAPS["cold_hot"]


def test_that_values_below_the_threshold_and_zero_are_not_shown() -> None:
    scale = LayerScale("RdBu_r", -2.0, 2.0, 0.5, "r")
    shown = scale.shown(np.array([-0.6, -0.4, 0.0, 0.5, np.nan, 9.0]))
    assert shown.tolist() == [True, False, False, True, False, True]
    assert scale.index(np.array([-2.0, 0.0, 2.0, 9.0])).tolist() == [0, 128, 255, 255]


def test_that_each_end_tells_by_itself_whether_it_clips() -> None:
    scale = LayerScale("RdBu_r", -1.0, 2.0, 0.0, "r")
    assert scale.clipped_ends(np.array([-1.5, 1.0])) == (True, False)
    assert scale.clipped_ends(np.array([-0.5, 3.0])) == (False, True)
    zero = LayerScale("cividis", 0.0, 2.0, 0.0, "tSNR")
    assert zero.clipped_ends(np.array([-3.0, 1.0])) == (False, False)


def test_that_older_scales_keep_their_colours() -> None:
    values = np.array([-3.0, -0.4, 0.0, 0.7, 2.0])
    signed = SignedScale(2.0, 0.5)
    np.testing.assert_array_equal(as_layer_scale(signed).rgb(values), signed.rgb(values))
    magnitude = MagnitudeScale(2.0, "mm", 0.5)
    np.testing.assert_array_equal(as_layer_scale(magnitude).rgb(values), magnitude.rgb(values))
    assert as_layer_scale(magnitude).mark == 0.5
