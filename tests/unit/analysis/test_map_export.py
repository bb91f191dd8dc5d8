"""Maps for other programs: read back with nibabel, place and value by hand."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.analysis.map_export import export_parcel_map
from app.core.wording import RUO_LINE, SIMULATED_STAMP
from tests.sample_case import GRID_AFFINE, make_sample_case

FACTS = {
    "desc": "attribution scan",
    "title": "(b) whole scan",
    "unit": "log-odds",
    "threshold": 0.02,
    "hidden": 383,
    "causal_note": True,
}


@pytest.fixture(scope="module")
def case_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def exported(case_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("out") / "maps"
    values = np.arange(426) / 100.0 - 2.0
    values[7] = np.nan
    names = export_parcel_map(case_folder, target, values, FACTS)
    assert names == sorted(path.name for path in target.iterdir())
    return target


def test_that_the_volume_lies_where_the_atlas_lies(exported: Path, case_folder: Path) -> None:
    (path,) = exported.glob("*_map.nii.gz")
    assert "_space-MNI152NLin2009cAsym_atlas-HCPEx_desc-attributionscan_" in path.name
    image = nibabel.load(path)
    np.testing.assert_allclose(image.affine, GRID_AFFINE)
    assert int(image.header["sform_code"]) == 4
    assert image.header.get_xyzt_units()[0] == "mm"
    assert b"log-odds" in image.header["descrip"].tobytes()
    labels = np.load(case_folder / "view" / "labels.npy")
    data = np.asarray(image.dataobj)
    for parcel in (0, 100, 425):
        np.testing.assert_allclose(data[labels == parcel + 1], parcel / 100.0 - 2.0, atol=1e-6)
    assert not data[labels == 0].any()
    assert not data[labels == 8].any()  # no value: nothing is painted


def test_that_each_hemisphere_has_its_surface(exported: Path, case_folder: Path) -> None:
    with np.load(case_folder / "view" / "surface.npz") as stored:
        for letter, side, structure in (("L", "left", "CortexLeft"), ("R", "right", "CortexRight")):
            (path,) = exported.glob(f"*_hemi-{letter}_space-fsaverage5_*.func.gii")
            image = nibabel.load(path)
            assert image.meta["AnatomicalStructurePrimary"] == structure
            data, labels = image.agg_data(), stored[f"labels_{side}"].astype(int)
            assert data.shape == (10242,)
            expected = np.where(labels > 0, (labels - 1) / 100.0 - 2.0, np.nan)
            expected[labels == 8] = np.nan
            np.testing.assert_allclose(data, expected, atol=1e-6)


def test_that_the_table_has_a_row_a_parcel(exported: Path) -> None:
    (path,) = exported.glob("*_parcels.tsv")
    lines = path.read_text().splitlines()
    assert lines[0] == "index\tname\tnetwork\themisphere\tvalue"
    assert len(lines) == 427
    assert lines[1].endswith("\tL\t-2.0")
    assert lines[8].endswith("\tn/a")


def test_that_every_file_has_a_sidecar_with_unit_space_and_stamps(exported: Path) -> None:
    records = [json.loads(path.read_text()) for path in exported.glob("*.json")]
    assert len(records) == 4
    for record in records:
        assert record["Units"] == "log-odds"
        assert record["Stamps"] == [SIMULATED_STAMP, RUO_LINE]
        assert record["Simulated"] is True
        assert (record["ThresholdOnScreen"], record["ParcelsBelowThreshold"]) == (0.02, 383)
        assert "not a cause" in record["Meaning"]
    spaces = {record["SpatialReference"] for record in records}
    assert spaces == {"MNI152NLin2009cAsym", "fsaverage5"}
