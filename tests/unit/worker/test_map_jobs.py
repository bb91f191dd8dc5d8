"""Maps through the real child: values travel as a file, facts as plain values."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.core.errors import AppError, ScanError
from app.worker.map_requests import grid_of, open_maps_job, seed_map_job
from app.worker.process import Worker

AFFINE = np.array([[2.0, 0, 0, -6], [0, 2, 0, -8], [0, 0, 2, -10], [0, 0, 0, 1]])


def test_that_maps_are_opened_in_the_child_and_faults_are_told(tmp_path: Path) -> None:
    data = np.random.default_rng(5).normal(size=(7, 8, 9)).astype(np.float32)
    path = tmp_path / "space-MNI152NLin2009cAsym_map.nii.gz"
    image = nibabel.Nifti1Image(data, AFFINE)
    image.set_sform(AFFINE, 4)
    image.to_filename(path)
    bad = tmp_path / "bad.nii"
    bad.write_bytes(b"\0" * 400)
    grids = [grid_of("MNI152NLin2009cAsym", (7, 8, 9), AFFINE)]
    with Worker() as worker:
        (found,) = worker.run(open_maps_job([path], grids, tmp_path))["maps"]
        assert (found["space"], found["kind"]) == ("MNI152NLin2009cAsym", "map")
        np.testing.assert_array_equal(np.load(found["values"], allow_pickle=False), data)
        with pytest.raises(ScanError):
            worker.run(open_maps_job([bad], grids, tmp_path))


def test_that_a_seed_map_comes_back_as_a_layers_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    stored = (400 + rng.normal(0, 4, (7, 8, 9, 20))).astype(np.float32)
    np.save(tmp_path / "run.npy", stored)
    job = seed_map_job(tmp_path / "run.npy", AFFINE, (0.0, 0.0, 0.0), [], None, tmp_path)
    far = seed_map_job(tmp_path / "run.npy", AFFINE, (99.0, 0.0, 0.0), [], None, tmp_path)
    with Worker() as worker:
        (found,) = worker.run(job)["maps"]
        values = np.load(found["values"], allow_pickle=False)
        assert values.shape == (7, 8, 9)
        assert found["unit"] == "Pearson r"
        assert "20 of 20 volumes" in found["notes"][0]
        assert values[3, 4, 5] > 0.1  # inside its own sphere
        with pytest.raises(AppError, match="outside the image"):
            worker.run(far)
