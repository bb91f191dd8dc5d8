"""FreeSurfer volumes: found by name, in whatever order, refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.aseg import ASEG_VOLUMES
from app.core.errors import ScanError
from app.scans.aseg import read_aseg_stats, read_aseg_table

VALUES = {name: 100.0 + 10.0 * place for place, name in enumerate(ASEG_VOLUMES)}


def _stats(path: Path, names: list[str], *, values: dict[str, str] | None = None) -> Path:
    lines = [
        "# Title Segmentation Statistics",
        "# Measure BrainSeg, BrainSegVol, Brain Segmentation Volume, 1126237.000000, mm^3",
        "# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, "
        "1500000.5, mm^3",
        "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev",
    ]
    for index, name in enumerate(names, start=1):
        known = VALUES.get(name.replace("-Proper", ""), 7.0)
        text = (values or {}).get(name, str(known))
        lines.append(f" {index}  {index + 3}   {int(known)}   {text}  {name}  80.1   9.2 ")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_that_volumes_come_by_name_whatever_the_order(tmp_path):
    shuffled = list(np.random.default_rng(1).permutation(ASEG_VOLUMES))
    found = read_aseg_stats(_stats(tmp_path / "aseg.stats", ["Left-Nothing", *shuffled]))
    np.testing.assert_array_equal(found.volumes_mm3, [VALUES[name] for name in ASEG_VOLUMES])
    assert found.intracranial_mm3 == 1500000.5
    np.testing.assert_allclose(found.relative(), found.volumes_mm3 / 1500000.5)


def test_that_the_older_name_of_the_thalamus_is_known(tmp_path):
    names = [name.replace("Thalamus", "Thalamus-Proper") for name in ASEG_VOLUMES]
    found = read_aseg_stats(_stats(tmp_path / "aseg.stats", names))
    assert found.volumes_mm3[4] == VALUES["Left-Thalamus"]
    assert found.volumes_mm3[22] == VALUES["Right-Thalamus"]


def test_that_a_missing_volume_is_refused_by_name(tmp_path):
    names = [name for name in ASEG_VOLUMES if name not in ("CSF", "CC_Central")]
    with pytest.raises(ScanError, match="CSF, CC_Central") as caught:
        read_aseg_stats(_stats(tmp_path / "aseg.stats", names))
    assert caught.value.code == "scan.aseg_missing"


@pytest.mark.parametrize("twice", ["CSF", "Left-Thalamus-Proper"])
def test_that_a_volume_that_is_there_twice_is_refused(tmp_path, twice):
    with pytest.raises(ScanError) as caught:
        read_aseg_stats(_stats(tmp_path / "aseg.stats", [*ASEG_VOLUMES, twice]))
    assert caught.value.code == "scan.aseg_twice"


@pytest.mark.parametrize("text", ["nan", "-3", "1e9", "many", "inf"])
def test_that_a_value_that_is_no_volume_is_refused(tmp_path, text):
    path = _stats(tmp_path / "aseg.stats", list(ASEG_VOLUMES), values={"Brain-Stem": text})
    with pytest.raises(ScanError, match="Brain-Stem") as caught:
        read_aseg_stats(path)
    assert caught.value.code == "scan.aseg_value"


def test_that_another_unit_is_refused(tmp_path):
    small = {name: str(VALUES[name] / 1000) for name in ASEG_VOLUMES}
    with pytest.raises(ScanError) as caught:
        read_aseg_stats(_stats(tmp_path / "aseg.stats", list(ASEG_VOLUMES), values=small))
    assert caught.value.code == "scan.aseg_value"


def _table(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    path.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n", encoding="utf-8")
    return path


def test_that_a_table_gives_each_person_by_name_of_column(tmp_path):
    names = list(np.random.default_rng(2).permutation(ASEG_VOLUMES))
    header = ["Measure:volume", *names, "EstimatedTotalIntraCranialVol"]
    rows = [
        [f"sub-{person}", *(str(VALUES[name] + person) for name in names), "1400000"]
        for person in (1, 2, 3)
    ]
    found = read_aseg_table(_table(tmp_path / "aseg.tsv", header, rows))
    assert [one.identifier for one in found] == ["sub-1", "sub-2", "sub-3"]
    np.testing.assert_array_equal(found[2].volumes_mm3, [VALUES[name] + 3 for name in ASEG_VOLUMES])


def test_that_a_person_twice_and_broken_tables_are_refused(tmp_path):
    header = ["id", *ASEG_VOLUMES]
    row = ["sub-1", *(str(VALUES[name]) for name in ASEG_VOLUMES)]
    with pytest.raises(ScanError) as caught:
        read_aseg_table(_table(tmp_path / "twice.tsv", header, [row, row]))
    assert caught.value.code == "scan.aseg_twice"
    for number, rows in enumerate(([], [row[:-1]])):
        with pytest.raises(ScanError) as caught:
            read_aseg_table(_table(tmp_path / f"{number}.tsv", header, rows))
        assert caught.value.code == "scan.aseg_format"
    one = read_aseg_table(_table(tmp_path / "one.tsv", header, [row]))[0]
    with pytest.raises(ScanError) as caught:
        one.relative()
    assert caught.value.code == "scan.aseg_intracranial"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"words only\nand more\n"])
def test_that_other_files_get_one_clear_sentence(tmp_path, content):
    path = tmp_path / "aseg.stats"
    path.write_bytes(content)
    with pytest.raises(ScanError) as caught:
        read_aseg_stats(path)
    assert caught.value.code in ("scan.aseg_format", "scan.aseg_missing")
