"""Bad DICOM: one typed error each, nothing merged, nothing left behind, the source untouched."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError, ScanError
from app.core.progress import Progress
from app.scans.dicom import compare, converter
from app.scans.dicom.convert import read_dicom
from app.scans.dicom.csa import csa_values, planned_volumes
from app.scans.dicom.grid import make_grid
from app.scans.dicom.reading import Instance, read_instance
from app.scans.dicom.series import contents_of, find_series, read_folder
from tests import dicom_files as dicom

SMALL = dicom.oblique(frames=20, slices=4)
VOXELS = dicom.truth_voxels(SMALL)
PHILIPS = replace(SMALL, manufacturer="Philips Medical Systems")


def instances(folder: Path) -> list[Instance]:
    """All headers of a folder."""
    read = [read_instance(path, path.stat().st_size) for path in sorted(folder.iterdir())]
    return [item for item in read if item is not None]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("dicom")
    return {
        "classic": dicom.save(dicom.classic(SMALL, VOXELS), place / "classic"),
        "philips": dicom.save(dicom.classic(PHILIPS, VOXELS), place / "philips"),
        "mosaic": dicom.save(dicom.mosaic(SMALL, VOXELS), place / "mosaic"),
    }


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppError]:
    """Open a folder that must be refused: one typed error without path or name, no traces."""
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))

    def opener(folder: Path, **options: Any) -> AppError:
        before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        with pytest.raises(AppError) as caught:
            read_dicom(folder, cache_dir=tmp_path / "cache", **options)
        assert str(tmp_path) not in str(caught.value)
        assert "Mustermann" not in str(caught.value)
        assert list(private.iterdir()) == []
        assert not list((tmp_path / "cache").glob("*"))
        assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
        return caught.value

    return opener


@pytest.mark.parametrize("kind", ["classic", "philips", "mosaic"])
def test_that_every_single_deletion_is_found(folders, kind):
    """[D2] Each instance deleted in turn: refused, or said where only the plan can tell."""
    whole = instances(folders[kind])
    grid, faults, findings = make_grid(whole)
    assert grid is not None and not faults and not findings
    for index in range(len(whole)):
        left = whole[:index] + whole[index + 1 :]
        grid, faults, findings = make_grid(left)
        if faults:
            assert grid is None
            assert faults[0].code in (
                "dicom.slices_missing", "dicom.volumes_missing", "dicom.time_gap",
            )  # fmt: skip
        else:  # the last mosaic: an early stop looks the same
            assert kind == "mosaic" and whole[index].number == SMALL.frames
            assert [item.code for item in findings] == ["dicom.fewer_than_planned"]


@pytest.mark.parametrize("kind", ["classic", "philips", "mosaic"])
def test_that_every_doubled_instance_under_a_new_name_is_found(folders, kind):
    """[D2] The same slice twice with another UID."""
    whole = instances(folders[kind])
    for index in range(0, len(whole), 3):
        copy = replace(whole[index], sop_uid=f"{dicom.ROOT}99")
        grid, faults, _ = make_grid([*whole, copy])
        assert grid is None and faults


@pytest.mark.parametrize("kind", ["classic", "philips", "mosaic"])
def test_that_one_instance_in_the_place_of_another_is_found(folders, kind):
    """[D2] Counts are right, but one is missing and another doubled."""
    whole = instances(folders[kind])
    for index in range(1, len(whole), 5):
        swapped = [*whole]
        swapped[index] = replace(whole[index - 1], sop_uid=f"{dicom.ROOT}99")
        grid, faults, _ = make_grid(swapped)
        assert grid is None and faults


def test_that_missing_slice_positions_are_found(folders):
    """[D2] A whole position, or every second one, is missing in all volumes."""
    whole = instances(folders["classic"])
    heights = sorted({round(float(np.dot(
        item.planes[0].position, np.cross(SMALL.row_direction, SMALL.column_direction))), 2)
        for item in whole})  # fmt: skip

    def height(item: Instance) -> float:
        normal = np.cross(SMALL.row_direction, SMALL.column_direction)
        return round(float(np.dot(item.planes[0].position, normal)), 2)

    one = [item for item in whole if height(item) != heights[1]]
    assert make_grid(one)[1][0].code == "dicom.slice_gap"
    second = [item for item in whole if height(item) in heights[::2]]
    assert make_grid(second)[1][0].code == "dicom.slice_gap"


def test_that_a_run_one_volume_short_is_refused_or_told(folders):
    """[D2] Philips states the number of volumes; Siemens states the plan."""
    short = [i for i in instances(folders["philips"]) if i.planes[0].temporal != SMALL.frames]
    assert make_grid(short)[1][0].code == "dicom.volumes_missing"
    assert "states 20 volumes; 19 are here" in make_grid(short)[1][0].message


def test_that_copies_are_used_once_and_said(tmp_path, folders):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in folders["mosaic"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "copy").write_bytes((folder / "IM00004").read_bytes())
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
    assert loaded.scan.shape == (6, 7, 4, 20)
    assert "dicom.duplicate_files" in {item.code for item in loaded.findings}


def test_that_two_files_claiming_to_be_one_image_are_refused(tmp_path, folders, refused):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in folders["mosaic"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    other = bytearray((folder / "IM00004").read_bytes())
    other[-9] ^= 0xFF
    (folder / "other").write_bytes(other)
    assert refused(folder).code == "dicom.same_uid_differs"


@pytest.mark.parametrize("what", ["patient_id", "study", "series"])
def test_that_people_studies_and_series_are_never_merged(tmp_path, refused, what):
    """[D1] Two of them in one folder, files shuffled together under one naming scheme."""
    other = replace(SMALL, **{what: dicom.ROOT + "2.7"})
    if what != "series":
        other = replace(other, series=SMALL.series)  # even under one series UID
    theirs = dicom.truth_voxels(other, seed=9)
    mine, yours = dicom.mosaic(SMALL, VOXELS), dicom.mosaic(other, theirs)
    for item in yours:
        item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = f"{item.SOPInstanceUID}.8"
    folder = tmp_path / "in"
    dicom.save(mine, folder, lambda index: f"{2 * index:04d}")
    dicom.save(yours, folder, lambda index: f"{2 * index + 1:04d}")
    series, _ = read_folder(folder)
    assert [item.grid.shape for item in series if item.grid] == [(6, 7, 4, 20)] * 2
    assert refused(folder).code == "dicom.choose_series"
    values = {int(v) for v in (VOXELS[..., 0].sum(), theirs[..., 0].sum())}
    loaded = [
        read_dicom(folder, series=item.key, cache_dir=tmp_path / f"c{index}")
        for index, item in enumerate(series)
    ]
    assert {int(np.asarray(item.image.data[..., 0], int).sum()) for item in loaded} == values
    codes = {finding.code for item in loaded for finding in item.findings}
    assert ("dicom.mixed_people" in codes) == (what != "series")
    if what == "patient_id":
        found = {finding.code for finding in contents_of(folder).findings}
        assert "dicom.several_people" in found


def test_that_the_magnitude_of_one_echo_is_not_mixed_with_another(tmp_path):
    late = replace(SMALL, extra={"EchoTime": "45"})
    items = dicom.mosaic(late, dicom.truth_voxels(late, seed=4))
    for item in items:
        item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = f"{item.SOPInstanceUID}.8"
    folder = dicom.save(dicom.mosaic(SMALL, VOXELS), tmp_path / "in", lambda i: f"a{i}")
    dicom.save(items, folder, lambda i: f"b{i}")
    assert [choice.volumes for choice in contents_of(folder).choices] == [20, 20]


def edited(tmp_path: Path, change: Callable[[Any], None]) -> Path:
    """A mosaic series whose data sets were changed."""
    items = dicom.mosaic(SMALL, VOXELS)
    for item in items:
        change(item)
    return dicom.save(items, tmp_path / "in")


def set_tag(tag: int, vr: str, value: Any) -> Callable[[Any], None]:
    """Write an element with a type of our choice."""
    return lambda item: item.add_new(tag, vr, value)


@pytest.mark.parametrize(
    "change",
    [
        set_tag(0x00280010, "UL", 14),  # Rows as UL
        set_tag(0x00280011, "UL", 12),
        set_tag(0x00280010, "SS", -14),
        set_tag(0x00280011, "US", 65535),
        set_tag(0x00280010, "US", 0),
        set_tag(0x00280100, "US", 12),
        set_tag(0x00280002, "US", 3),
        set_tag(0x00280011, "US", [12, 12]),
        set_tag(0x00280010, "DS", "14"),
    ],
)
def test_that_sizes_of_a_wrong_type_or_value_are_refused(tmp_path, refused, change):
    """[D5] UL for US, negative, 65535, zero, several values."""
    error = refused(edited(tmp_path, change))
    assert error.code in ("dicom.header_damaged", "dicom.pixels_missing", "dicom.mosaic",
                          "dicom.voxel_size", "dicom.converter_disagrees")  # fmt: skip


def test_that_a_claim_of_65535_squared_allocates_nothing(tmp_path, refused):
    """[D5, N1] Refused from the header."""
    import tracemalloc

    def change(item: Any) -> None:
        item.Rows = item.Columns = 16383
        item.ImageType = ["ORIGINAL", "PRIMARY", "M"]

    folder = edited(tmp_path, change)
    tracemalloc.start()
    assert refused(folder).code.startswith("dicom.")
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_tag(0x00200037, "DS", ["1", "0", "0", "1", "0", "0"]), "dicom.orientation"),
        (set_tag(0x00200037, "DS", ["2", "0", "0", "0", "2", "0"]), "dicom.orientation"),
        (set_tag(0x00280030, "DS", ["0", "3"]), "dicom.voxel_size"),
        (set_tag(0x00280030, "DS", ["3.5"]), "dicom.no_geometry"),
        (set_tag(0x00280030, "DS", ["0.003", "0.003"]), "dicom.voxel_size"),
        (lambda item: item.pop("ImagePositionPatient"), "dicom.no_geometry"),
        (lambda item: item.pop("ImageOrientationPatient"), "dicom.no_geometry"),
        (set_tag(0x00280004, "CS", "RGB"), "dicom.colour"),
        (lambda item: item.pop(0x00291010), "dicom.mosaic"),
    ],
)
def test_that_a_place_that_is_none_is_refused(tmp_path, refused, change, code):
    """[N5] Orientation, voxel size and position."""
    assert refused(edited(tmp_path, change)).code == code


def test_that_a_repetition_time_against_the_clocks_needs_the_users_word(tmp_path, refused):
    """[N6] Milliseconds written as seconds, and a header against its own clocks."""
    folder = edited(tmp_path, set_tag(0x00180080, "DS", "700"))
    error = refused(folder)
    assert error.code == "dicom.tr_conflict"
    assert "2.100 s" in error.message
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache", stated_repetition_time_s=2.1)
    assert loaded.scan.repetition_time_s == 2.1
    codes = {finding.code for finding in loaded.findings}
    assert {"dicom.tr_conflict", "scan.tr_disagrees"} <= codes
    loaded.voxel_file.unlink()


def test_that_no_repetition_time_at_all_needs_the_users_word(tmp_path, refused):
    """[N6]"""

    def change(item: Any) -> None:
        item.pop("RepetitionTime")
        item.pop("AcquisitionTime")

    folder = edited(tmp_path, change)
    assert refused(folder).code == "scan.tr_missing"
    assert read_dicom(folder, cache_dir=tmp_path / "cache", stated_repetition_time_s=2.1)


def test_that_volumes_against_their_clocks_are_refused(tmp_path, refused):
    """[D2] Numbers say one order, acquisition times another."""
    items = dicom.mosaic(SMALL, VOXELS)
    items[4].AcquisitionTime, items[9].AcquisitionTime = (
        items[9].AcquisitionTime, items[4].AcquisitionTime,
    )  # fmt: skip
    assert refused(dicom.save(items, tmp_path / "in")).code == "dicom.time_order"


def test_that_two_readings_that_differ_are_never_silent(tmp_path, monkeypatch, refused, folders):
    """A converter that mirrors the image is caught, whatever it writes."""
    import nibabel

    real = converter.run_converter

    def mirrored(source: Path, out: Path, *rest: Any, **more: Any) -> Any:
        image, record = real(source, out, *rest, **more)
        loaded: Any = nibabel.load(image)
        data = np.asarray(loaded.dataobj)[::-1].copy()
        nibabel.save(nibabel.Nifti1Image(data, loaded.affine, loaded.header), image)
        return image, record

    monkeypatch.setattr("app.scans.dicom.convert.run_converter", mirrored)
    loaded = read_dicom(folders["mosaic"], cache_dir=tmp_path / "cache")
    assert "dicom.order_by_headers" in {item.code for item in loaded.findings}
    loaded.voxel_file.unlink()

    def shifted(source: Path, out: Path, *rest: Any, **more: Any) -> Any:
        image, record = real(source, out, *rest, **more)
        loaded: Any = nibabel.load(image)
        affine = loaded.affine @ np.diag([-1.0, 1, 1, 1])
        nibabel.save(nibabel.Nifti1Image(np.asarray(loaded.dataobj).copy(), affine), image)
        return image, record

    monkeypatch.setattr("app.scans.dicom.convert.run_converter", shifted)
    assert refused(folders["mosaic"]).code == "dicom.converter_disagrees"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("kill -SEGV $$", "dicom.converter_died"),
        ("kill -KILL $$", "dicom.converter_died"),
        ("sleep 60", "dicom.converter_time"),
    ],
)
def test_that_the_converters_death_is_one_typed_error(
    tmp_path, monkeypatch, refused, folders, script, code
):
    """[D4, R1] Killed by a real signal, and one that never ends."""
    fake = tmp_path / "fake"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(converter, "_binary", lambda: str(fake))
    monkeypatch.setattr(converter.run_converter, "__kwdefaults__", {"time_limit_s": 0.3})
    assert refused(folders["mosaic"]).code == code


def test_that_damaged_compressed_pixels_never_load_as_another_size(tmp_path, refused):
    """[D4] Bytes of the run-length code are changed; the converter's process takes the blow."""
    from pydicom.uid import RLELossless

    items = dicom.classic(replace(SMALL, slices=2), VOXELS[:, :, :2])
    for item in items:
        item.compress(RLELossless)
    folder = dicom.save(items, tmp_path / "in")
    path = folder / "IM00007"
    whole = path.read_bytes()
    for cut in (len(whole) - 4, len(whole) - 40, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(AppError):
            read_dicom(folder, cache_dir=tmp_path / "cache")
    dice = np.random.default_rng(7)
    code = whole.index(b"\xfe\xff\x00\xe0", whole.index(b"\xe0\x7f\x10\x00"))
    for _ in range(6):
        damaged = bytearray(whole)
        for place in dice.integers(code, len(whole), 3):
            damaged[place] ^= 1 << int(dice.integers(8))
        path.write_bytes(damaged)
        try:
            loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
        except AppError:
            continue
        assert loaded.image.data.shape == (6, 7, 2, 20)
        same = [np.isin(loaded.image.data[..., f], VOXELS[:, :, :2, f]).all() for f in range(20)]
        assert same.count(False) <= 1  # the code has no check sum; no other volume may suffer
        loaded.voxel_file.unlink()


def without_csa(*, count: bool = False, label: bool = True) -> Callable[[Any], None]:
    """Takes a mosaic's private headers away, as exports of newer Siemens software (XA) do."""

    def change(item: Any) -> None:
        del item[0x00290010], item[0x00291010], item[0x00291020]
        if not count:
            del item[0x00190010], item[0x0019100A], item[0x00191029]
        if not label:
            item.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]

    return change


def enhanced_mosaics(*, moving_mm: float = 0.0) -> list[Any]:
    """XA: one enhanced file a volume, a single frame with all tiles, no private headers."""
    plain = dicom.mosaic(SMALL, VOXELS)
    made = []
    for frame, tiled in enumerate(plain):
        x, y, z = (float(value) for value in tiled.ImagePositionPatient)
        place = (x, y, z + moving_mm * frame)
        size = {"rows": tiled.Rows, "columns": tiled.Columns}
        one = replace(SMALL, slices=1, frames=1, position=place, **size)
        voxels = np.frombuffer(tiled.PixelData, "<u2").reshape(tiled.Rows, tiled.Columns)
        item = dicom.enhanced(one, voxels.T[:, :, None, None], label="MOSAIC")
        item.InstanceNumber = frame + 1
        item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = f"{SMALL.series}.{frame}"
        made.append(item)
    return made


@pytest.mark.parametrize("count", [False, True])
def test_that_mosaics_without_their_private_headers_are_refused(tmp_path, refused, count):
    """[D3] Neither the order of the slices nor their direction can be guessed from tiles."""
    error = refused(edited(tmp_path, without_csa(count=count)))
    assert error.code == "dicom.mosaic"
    assert "mosaics" in error.message
    assert "enhanced multi-frame" in error.hint


def test_that_unlabelled_mosaics_never_load_as_slices(tmp_path, refused):
    error = refused(edited(tmp_path, without_csa(label=False)))
    assert error.code == "dicom.one_slice"


@pytest.mark.parametrize("moving_mm", [0.0, 0.02, 0.7, 4.0])
def test_that_enhanced_mosaics_are_refused_even_where_their_places_move(
    tmp_path, refused, moving_mm
):
    """Prospective motion correction moves the stated place: volumes must not pass for slices."""
    folder = dicom.save(enhanced_mosaics(moving_mm=moving_mm), tmp_path / "in")
    assert refused(folder).code in ("dicom.mosaic", "dicom.sheared", "dicom.slice_gap")


@pytest.fixture
def opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if run-length code were one that only the converter can decode."""
    monkeypatch.setattr(compare, "READABLE", compare.UNCOMPRESSED)


def compressed(items: list[Any], folder: Path) -> Path:
    """The same data sets, run-length encoded."""
    from pydicom.uid import RLELossless

    for item in items:
        item.compress(RLELossless)
    return dicom.save(items, folder)


@pytest.mark.parametrize("kind", ["classic", "mosaic"])
def test_that_undecodable_pixels_are_checked_part_by_part(tmp_path, opaque, kind):
    """[D4] Three volumes are converted once more, each from the files of its headers."""
    folder = compressed(getattr(dicom, kind)(SMALL, VOXELS), tmp_path / "in")
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
    assert sorted(np.unique(loaded.image.data)) == sorted(np.unique(VOXELS))
    assert "dicom.compressed" in {finding.code for finding in loaded.findings}


def test_that_undecodable_pixels_in_another_order_are_refused(
    tmp_path, opaque, refused, monkeypatch
):
    """[D3, D4] The converter puts two volumes in each other's place."""
    import nibabel

    real = converter.run_converter

    def swapped(source: Path, out: Path, *rest: Any, **more: Any) -> Any:
        image, record = real(source, out, *rest, **more)
        loaded: Any = nibabel.load(image)
        if len(loaded.shape) == 4:
            data = np.asarray(loaded.dataobj).copy()
            data[..., [0, 1]] = data[..., [1, 0]]
            nibabel.save(nibabel.Nifti1Image(data, loaded.affine, loaded.header), image)
        return image, record

    monkeypatch.setattr("app.scans.dicom.convert.run_converter", swapped)
    folder = compressed(dicom.mosaic(SMALL, VOXELS), tmp_path / "in")
    assert refused(folder).code == "dicom.converter_disagrees"


def test_that_one_undecodable_file_of_several_volumes_is_refused(tmp_path, opaque, refused):
    folder = compressed([dicom.enhanced(SMALL, VOXELS)], tmp_path / "in")
    assert refused(folder).code == "dicom.compressed_frames"


def test_that_files_with_strange_names_are_read_like_others(tmp_path):
    """[W2] Names in other scripts, with line breaks, too long for any label, and no text at all."""
    names = ["\u202egnp.exe", "a\nb", "😀", "x" * 250, "-rf", "$(reboot)", "e\u0301", "é", " "]
    folder = dicom.save(
        dicom.mosaic(SMALL, VOXELS), tmp_path / "in", lambda i: names[i] if i < 9 else f"f{i}"
    )
    os.rename(folder / "f12", os.fsencode(str(folder)) + b"/\xff\xfe")
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
    assert loaded.scan.shape == (6, 7, 4, 20)


@pytest.mark.parametrize("cut", [0, 60, 131, 132, 140, 300, 600, 1500, -1, -200])
def test_that_a_truncated_file_is_refused(tmp_path, refused, cut):
    """[N3, D2] Cut inside preamble, meta header, header and pixels."""
    folder = dicom.save(dicom.mosaic(SMALL, VOXELS), tmp_path / "in")
    path = folder / "IM00007"
    path.write_bytes(path.read_bytes()[:cut])
    error = refused(folder)
    assert error.code.startswith("dicom.")


def test_that_folders_without_dicom_and_missing_ones_are_refused(tmp_path, refused):
    (tmp_path / "in").mkdir()
    assert refused(tmp_path / "in").code == "dicom.none"
    (tmp_path / "in" / "text").write_text("nothing " * 100)
    assert refused(tmp_path / "in").code == "dicom.none"
    with pytest.raises(ScanError, match="no such folder"):
        contents_of(tmp_path / "absent")


def test_that_an_unknown_or_unfit_series_is_refused(tmp_path, folders, refused):
    assert refused(folders["mosaic"], series="77").code == "dicom.no_series"
    scout = dicom.Protocol(frames=1, slices=4, description="localizer")
    folder = dicom.save(dicom.classic(scout, dicom.truth_voxels(scout)), tmp_path / "in")
    assert refused(folder).code == "dicom.not_functional"


def test_that_a_deflated_file_is_not_inflated(tmp_path, refused):
    """[N2] The library would inflate without a limit."""
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    items = dicom.mosaic(SMALL, VOXELS)
    for item in items:
        item.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert refused(dicom.save(items, tmp_path / "in")).code == "dicom.damaged"


def test_that_an_element_of_two_gigabytes_is_not_read(tmp_path, refused):
    """[N1] A length field that lies."""
    folder = dicom.save(dicom.mosaic(SMALL, VOXELS), tmp_path / "in")
    path = folder / "IM00003"
    content = path.read_bytes()
    place = content.index(b"\x29\x00\x10\x10OB\0\0") + 8
    path.write_bytes(content[:place] + struct.pack("<I", 0x7FFFFFFE) + content[place + 4 :])
    assert refused(folder).code.startswith("dicom.")


def test_that_a_vanished_file_is_one_error(tmp_path, folders, monkeypatch, refused):
    folder = dicom.save(dicom.mosaic(SMALL, VOXELS), tmp_path / "in")
    chosen = find_series(folder, "")
    (folder / "IM00011").unlink()
    monkeypatch.setattr("app.scans.dicom.convert.find_series", lambda *_: chosen)
    assert refused(folder).code == "dicom.changed"


@given(raw=st.binary(max_size=400), cut=st.integers(0, 700), flip=st.integers(0, 5000))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_that_a_private_header_of_any_bytes_gives_texts_or_nothing(raw, cut, flip):
    whole = dicom.csa_header({"NumberOfImagesInMosaic": ("US", ["5"]), "Other": ("FD", ["1", "2"])})
    damaged = bytearray(whole[:cut] or whole)
    damaged[flip % len(damaged)] ^= 0x5A
    for content in (raw, b"SV10" + raw, bytes(damaged)):
        found = csa_values(content, ("NumberOfImagesInMosaic", "Other"))
        assert all(isinstance(text, str) for texts in found.values() for text in texts)
        planned_volumes(content)


MOSAIC_FILE = dicom.mosaic(replace(SMALL, frames=1), VOXELS)[0]


@given(changes=st.lists(st.tuples(st.integers(132, 4000), st.integers(0, 255)), max_size=6))
@settings(max_examples=150, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_that_a_header_with_any_bytes_changed_is_read_or_refused(tmp_path, changes):
    """[D5] No exception but the typed one; no grid with values that are no numbers."""
    path = tmp_path / "one"
    if not path.exists():
        MOSAIC_FILE.save_as(path, enforce_file_format=True)
        (tmp_path / "whole").write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "whole").read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    item = read_instance(path, os.path.getsize(path))
    if item is not None:
        grid, faults, _ = make_grid([item])
        assert (grid is None) == bool(faults)
        assert grid is None or np.isfinite(grid.affine).all()


def test_that_progress_is_told_while_a_folder_is_read(folders):
    told: list[float] = []
    events = Progress(lambda event: told.append(event.fraction))
    with events.stage("Open"):
        contents_of(folders["classic"], events)
    assert told[-1] == 1.0
