"""Connectivity between parcels, from the frames that count."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import AppError
from app.core.results import Connectome

MINIMUM_FRAMES = 3  # below this a correlation is +-1 by construction


def pearson_connectivity(series: Floats, good_frames: Bools) -> Connectome:
    """Pearson correlation of every pair of parcels over the good frames.

    Parameters
    ----------
    series
        Parcel series, (frame, parcel). A parcel with a value that is not finite in any good
        frame, or with no variation, counts as not covered.
    good_frames
        (frame,) True where the frame counts; flagged (interpolated) frames never do.

    Returns
    -------
    Connectome
        float64 (parcel, parcel), symmetric to the bit, diagonal 0, NaN rows and columns for
        parcels that are not covered; all NaN where fewer than 3 frames count.

    Raises
    ------
    AppError
        ``connectome.shape``.
    """
    values = np.asarray(series, dtype=np.float64)
    good = np.asarray(good_frames, dtype=bool)
    if values.ndim != 2 or good.shape != values.shape[:1]:
        raise AppError(
            f"Connectivity needs series (frame, parcel) and one flag a frame, got "
            f"{values.shape} and {good.shape}.",
            code="connectome.shape",
        )
    values = values[good]
    if values.shape[0] < MINIMUM_FRAMES:
        nothing = np.full((values.shape[1], values.shape[1]), np.nan)
        return Connectome("pearson", frozen(nothing), int(values.shape[0]))
    covered = np.isfinite(values).all(axis=0)
    used = values[:, covered]
    largest = np.abs(used).max(axis=0, initial=0.0)
    centred = used - used.mean(axis=0)
    norms = np.sqrt(np.square(centred).sum(axis=0))
    # A constant column leaves only rounding noise of its own size after centring.
    varies = norms > 1e-12 * np.sqrt(used.shape[0]) * np.maximum(largest, np.finfo(float).tiny)
    covered[np.flatnonzero(covered)[~varies]] = False
    unit = centred[:, varies] / norms[varies]
    product = np.clip(_products(unit), -1.0, 1.0)
    matrix = np.full((covered.size, covered.size), np.nan)
    matrix[np.ix_(covered, covered)] = product
    np.fill_diagonal(matrix, 0.0)
    matrix[~covered] = np.nan
    return Connectome("pearson", frozen(matrix), int(values.shape[0]))


def gram_connectivity(series: Floats) -> Connectome:
    """``X X'`` of raw series, the input of published models that were trained on it.

    No correlation: of raw series it is nearly the outer product of the parcels' means, and
    carries gain, coil and coverage. It is kept apart by its kind, "gram", and is never shown as
    connectivity between -1 and 1.

    Parameters
    ----------
    series
        Parcel series, (frame, parcel), every frame of the window, scanner units.

    Returns
    -------
    Connectome
        float64 (parcel, parcel), symmetric to the bit, its diagonal kept; NaN rows and columns
        for parcels with a value that is not finite.

    Raises
    ------
    AppError
        ``connectome.shape``.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 2:
        raise AppError(
            f"Connectivity needs series (frame, parcel), got {values.shape}.",
            code="connectome.shape",
        )
    covered = np.isfinite(values).all(axis=0)
    matrix = np.full((covered.size, covered.size), np.nan)
    matrix[np.ix_(covered, covered)] = _products(values[:, covered])
    return Connectome("gram", frozen(matrix), int(values.shape[0]))


def _products(unit: Floats) -> Floats:
    """Inner product of every pair of columns, (column, column), symmetric.

    Sums run over frames one after the other in plain float64 additions, so the bits depend
    neither on a BLAS library nor on its number of threads (about 50 ms for 426 x 240).
    """
    count = unit.shape[1]
    result = np.empty((count, count))
    for row in range(count):
        result[row, row:] = np.add.reduce(unit[:, row : row + 1] * unit[:, row:], axis=0)
        result[row:, row] = result[row, row:]
    return result


def fisher_z(correlation: Floats, limit: float = 0.9999999) -> Floats:
    """Fisher's z (artanh) of correlations, any shape; clipped so that +-1 stays finite."""
    return np.asarray(np.arctanh(np.clip(correlation, -limit, limit)))
