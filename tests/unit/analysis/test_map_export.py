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


def test_that_an_attribution_carries_flags_and_reference_in_every_file(
    case_folder: Path, tmp_path: Path
) -> None:
    apart, unstable = [False] * 426, [False] * 426
    apart[3] = unstable[3] = unstable[425] = True
    flags = {
        "method": "integrated gradients",
        "reference": "mean of 79\tpeople",
        "disagreeing": apart,
        "unstable": unstable,
    }
    export_parcel_map(case_folder, tmp_path, np.ones(426), FACTS | flags)
    (table,) = tmp_path.glob("*_parcels.tsv")
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert rows[0][4:] == ["value", "methods_disagree", "unstable", "reference"]
    assert {len(row) for row in rows} == {8}
    assert rows[4][5:] == ["1", "1", "mean of 79 people"]
    assert rows[426][5:7] == ["0", "1"]
    assert sum(int(row[5]) for row in rows[1:]) == 1
    for path in tmp_path.glob("*.json"):
        record = json.loads(path.read_text())
        assert (record["DisagreeingParcels"], record["UnstableParcels"]) == ([4], [4, 426])
        assert record["Reference"] == flags["reference"]
    volume = nibabel.load(next(tmp_path.glob("*_map.nii.gz")))
    surface = nibabel.load(next(tmp_path.glob("*_hemi-L_*.func.gii")))
    for words in (volume.header.extensions[0].text, surface.meta["Description"]):
        assert "Values relative to: mean of 79" in words
        assert "disagree: 4; unstable: 4, 426." in words
    assert RUO_LINE in volume.header.extensions[0].text


def test_that_stability_that_was_not_computed_is_said(case_folder: Path, tmp_path: Path) -> None:
    flags = {"method": "m", "reference": "r", "disagreeing": [False] * 426, "unstable": None}
    export_parcel_map(case_folder, tmp_path, np.ones(426), FACTS | flags)
    record = json.loads(next(tmp_path.glob("*_parcels.json")).read_text())
    assert record["UnstableParcels"] == "not computed"
    line = next(tmp_path.glob("*_parcels.tsv")).read_text().splitlines()[1]
    assert line.endswith("\t0\tn/a\tr")
