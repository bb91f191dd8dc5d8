"""The door as the tests use it: one call, one private folder, and what must hold after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.errors import AppError
from app.scans.nifti import LoadedScan, read_nifti


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Private folder for unpacked voxels."""
    return tmp_path / "cache"


@pytest.fixture
def load(cache: Path) -> Callable[..., LoadedScan]:
    """Open a file; the voxels' true values must be finite."""

    def loader(path: Path, **options: Any) -> LoadedScan:
        loaded = read_nifti(path, cache_dir=cache, **options)
        image = loaded.image
        assert np.isfinite(np.asarray(image.data, float) * image.slope + image.intercept).all()
        assert not image.data.flags.writeable
        return loaded

    return loader


@pytest.fixture
def refused(cache: Path) -> Callable[..., AppError]:
    """Open a file that must be refused: one typed error, no path in it, nothing left over."""

    def opener(path: Path, **options: Any) -> AppError:
        before = set(cache.glob("*"))
        with pytest.raises(AppError) as caught:
            read_nifti(path, cache_dir=cache, **options)
        error = caught.value
        assert str(path.parent) not in str(error)
        assert path.name not in str(error)
        assert error.message
        assert set(cache.glob("*")) == before
        return error

    return opener
