"""The same scan stored along every order and direction of its axes: 48 files, one answer."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.images import Image4D, SpatialMap
from app.preprocessing.chain import Preprocessed, preprocess
from app.preprocessing.placement import Placed
from app.preprocessing.presets import find_preset
from app.preprocessing.sampling import sample_parcels
from app.preprocessing.spatial_map import to_scanner
from app.scans.nifti import read_nifti
from app.simulation.bids import write_nifti
from tests.accuracy.heads import Head, atlas_and_template

Array = NDArray[Any]

FRAMES = 20  # the scan door takes no shorter run
READ = 2  # frames whose series are compared
AXES = (("L", "R"), ("P", "A"), ("I", "S"))


def storage_orders() -> list[str]:
    """All 48 axis codes, such as "LAS"."""
    return [
        "".join(codes)
        for order in itertools.permutations(AXES)
        for codes in itertools.product(*order)
    ]


def stored_as(head: Head, codes: str, folder: Path) -> Image4D:
    """The head's run written in that order and opened again through the scan door."""
    path = folder / f"sub-{codes}_task-rest_bold.nii.gz"
    write_nifti(
        path,
        head.image.data,
        head.volumes.affine,
        storage=codes,
        repetition_time_s=head.image.repetition_time_s,
    )
    return read_nifti(path, cache_dir=folder / codes).image


def series_of(image: Image4D, placed: Placed) -> Array:
    """Parcel series at a given place, (frame, parcel)."""
    atlas, _ = atlas_and_template()
    few = replace(image, data=image.data[..., :READ])
    sampled = sample_parcels(few, None, placed.spatial_map, atlas.points, placed.mask.image)
    return np.asarray(sampled.series)


def found_anew(image: Image4D) -> Preprocessed:
    """Everything found from this image as it was opened: motion, mask, place, series."""
    atlas, images = atlas_and_template()
    return preprocess(image, atlas.points, images, find_preset("simple-highpass"), seed=1)


def centres_mm(spatial_map: SpatialMap) -> Array:
    """Where a place puts the parcels' centres, (parcel, 3) scanner mm."""
    atlas, _ = atlas_and_template()
    return np.asarray(to_scanner(spatial_map, np.asarray(atlas.centroids_mm, float)))


def relative_difference(first: Array, second: Array) -> float:
    """Largest difference over the size of the series; NaN must stand in the same places."""
    np.testing.assert_array_equal(np.isnan(first), np.isnan(second))
    return float(np.nanmax(np.abs(first - second)) / np.nanmax(np.abs(second)))
