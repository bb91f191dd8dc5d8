"""The tensors' normalisations and time axis are those of the arrays, and have gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.models.differentiable_normalisation import (
    NAMES,
    ROBUST_COHORT,
    SELF_SCALED,
    normalise,
    on_physical_axis,
)
from app.models.fmm_tc_inputs import fit_series_statistics, normalised
from app.models.normalisation import find_normalisation
from app.models.parcel_statistics import fitted_statistics
from app.models.repetition_time import resampled
from tests.unit.models.fmm_tc_people import variant

RNG = np.random.default_rng(5)
SERIES = [RNG.normal(0.3, 2.0, (frames, 7)) for frames in (31, 44, 25)]


@pytest.mark.parametrize("name", [one for one in NAMES if one != "percent_scaled"])
def test_that_tensors_and_arrays_are_scaled_alike(name: str) -> None:
    table = fitted_statistics(SERIES)
    columns = tuple(torch.from_numpy(np.array(one)) for one in table.need("median", "iqr"))
    expected = find_normalisation(name).apply(SERIES[0], table)
    series = torch.from_numpy(SERIES[0]).requires_grad_(True)
    found = normalise(name, series, statistics=(columns[0], columns[1]))
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-12)
    (gradient,) = torch.autograd.grad(found[3, 2], series)
    assert torch.isfinite(gradient).all()
    assert gradient[3, 2] != 0


def test_that_self_scaled_series_do_not_depend_on_their_unit() -> None:
    series = torch.from_numpy(SERIES[0])
    for name in SELF_SCALED:
        torch.testing.assert_close(normalise(name, 3.0 * series), normalise(name, series))


def test_that_the_fold_s_statistics_are_those_of_the_encoders_table() -> None:
    holed = [one.copy() for one in SERIES]
    holed[1][:, 4] = np.nan
    whole, table = fit_series_statistics(SERIES), fitted_statistics(SERIES)
    np.testing.assert_array_equal(whole.median, table.columns["median"])
    np.testing.assert_array_equal(whole.interquartile, table.columns["iqr"])
    part, others = fit_series_statistics(holed), fitted_statistics([SERIES[0], SERIES[2]])
    assert part.median[4] == others.columns["median"][4]  # of those who have the parcel
    np.testing.assert_array_equal(np.delete(part.median, 4), np.delete(whole.median, 4))
    settings = variant(normalisation=ROBUST_COHORT)
    found = normalised(torch.from_numpy(holed[1]), settings, part)
    assert (found[:, 4] == 0).all()
    expected = (SERIES[1][:, 2] - SERIES[1][:, 2].mean() - part.median[2]) / part.interquartile[2]
    np.testing.assert_allclose(found[:, 2], expected, atol=1e-12)


def test_that_the_physical_axis_is_the_encoders_and_differentiable() -> None:
    series = torch.from_numpy(SERIES[1]).requires_grad_(True)
    found = on_physical_axis(series, 2.0)
    np.testing.assert_allclose(found.detach().numpy(), resampled(SERIES[1], 2.0), atol=1e-12)
    (gradient,) = torch.autograd.grad(found[10, 3], series)
    assert gradient[:, 3].abs().sum() > 0
    assert gradient[:, 4].abs().sum() == 0
