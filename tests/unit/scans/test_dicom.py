"""The DICOM door on series that are right: exact voxels and place, one row a series, no traces.

Rows of the fault catalogue in brackets.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.errors import CancelledError
from app.core.progress import Progress
from app.scans.dicom import compare
from app.scans.dicom.convert import facts_of, read_dicom, series_sha256
from app.scans.dicom.series import contents_of, find_series, read_folder
from app.scans.geometry import to_canonical
from app.scans.nifti import LoadedScan
from tests import dicom_files as dicom

SMALL = dicom.oblique(frames=20, slices=4)
VOXELS = dicom.truth_voxels(SMALL)
CANARIES = ("Mustermann", "Erika", "PAT-0815", "19610203", "20240517", "Musterstadt", "MRC40815",
            "Haus", "ACC4711", dicom.ROOT)  # fmt: skip


def made(kind: str, protocol: dicom.Protocol, voxels: Any) -> list[Any]:
    """The data sets of one kind."""
    if kind == "enhanced":
        return [dicom.enhanced(protocol, voxels)]
    if kind == "one file a volume":
        files = []
        for frame in range(protocol.frames):
            one = replace(protocol, frames=1, first_frame=frame)
            item = dicom.enhanced(one, voxels[..., frame : frame + 1])
            item.InstanceNumber = item.AcquisitionNumber = frame + 1
            uid = f"{protocol.series}.{frame + 1}"
            item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = uid
            files.append(item)
        return files
    return getattr(dicom, kind)(protocol, voxels)


def expect(loaded: LoadedScan, protocol: dicom.Protocol, voxels: Any) -> None:
    """Exactly these values at exactly this place."""
    data, affine = to_canonical(voxels, dicom.truth_affine(protocol))
    assert np.array_equal(data, loaded.image.data)
    assert np.abs(affine - loaded.scan.affine).max() < 1e-4
    assert loaded.scan.repetition_time_s == pytest.approx(protocol.repetition_time_s, abs=1e-6)


@pytest.mark.parametrize(("kind", "files"), [("enhanced", 1), ("one file a volume", 20)])
def test_that_the_pixels_of_a_file_are_read_once_however_many_volumes_it_holds(
    kind: str, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    pixels = compare.pixels_of

    def counted(item: Any, path: Path) -> Any:
        read.append(path)
        return pixels(item, path)

    monkeypatch.setattr(compare, "pixels_of", counted)
    folder = dicom.save(made(kind, SMALL, VOXELS), tmp_path / "in")
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
    expect(loaded, SMALL, VOXELS)
    rewritten = "dicom.order_by_headers" in {finding.code for finding in loaded.findings}
    assert len(set(read)) == files
    assert len(read) <= files * (2 if rewritten else 1)


@pytest.mark.parametrize("maker", ["SIEMENS", "Philips Medical Systems", "GE MEDICAL SYSTEMS"])
@pytest.mark.parametrize("kind", ["classic", "enhanced", "one file a volume"])
def test_that_every_kind_loads_with_exact_voxels_and_place(tmp_path, kind, maker):
    """[D3] Values equal, affine to 1e-4, repetition time from the headers."""
    protocol = replace(SMALL, manufacturer=maker)
    folder = dicom.save(made(kind, protocol, VOXELS), tmp_path / "in")
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
    expect(loaded, protocol, VOXELS)
    assert loaded.scan.repetition_time_source == "DICOM header"


@pytest.mark.parametrize("slices", [4, 5, 9])
def test_that_a_mosaic_loads_with_exact_voxels_place_and_slice_times(tmp_path, slices):
    """[D3] With and without empty tiles."""
    protocol = dicom.oblique(frames=20, slices=slices)
    voxels = dicom.truth_voxels(protocol)
    folder = dicom.save(dicom.mosaic(protocol, voxels), tmp_path / "in")
    loaded = read_dicom(folder, cache_dir=tmp_path / "cache")
    expect(loaded, protocol, voxels)
    assert loaded.scan.slice_times_s == pytest.approx(dicom.slice_times_s(protocol), abs=1e-4)


@pytest.mark.parametrize(
    ("row", "column"),
    [((1, 0, 0), (0, 1, 0)), ((1, 0, 0), (0, 0, -1)), ((0, 1, 0), (0, 0, -1)),
     ((-1, 0, 0), (0, 1, 0)), ((0, -1, 0), (1, 0, 0))],
)  # fmt: skip
def test_that_every_slice_direction_keeps_left_and_right(tmp_path, row, column):
    """[N7] Axial, coronal, sagittal, mirrored and turned storage."""
    protocol = dicom.Protocol(frames=20, slices=4, row_direction=row, column_direction=column)
    voxels = dicom.truth_voxels(protocol)
    folder = dicom.save(dicom.mosaic(protocol, voxels), tmp_path / "in")
    expect(read_dicom(folder, cache_dir=tmp_path / "cache"), protocol, voxels)


@pytest.mark.parametrize("kind", ["enhanced", "classic"])
def test_that_a_wrong_mosaic_label_is_ignored_and_said(tmp_path, kind):
    """[D3] Labelled MOSAIC, but single slices."""
    items = made(kind, SMALL, VOXELS)
    for item in items:
        item.ImageType = [*item.ImageType, "MOSAIC"]
    loaded = read_dicom(dicom.save(items, tmp_path / "in"), cache_dir=tmp_path / "cache")
    expect(loaded, SMALL, VOXELS)
    assert "dicom.mosaic_label" in {finding.code for finding in loaded.findings}


def test_that_frames_are_placed_by_their_own_headers_whatever_the_stored_order(tmp_path):
    """[D2] A multi-frame file whose frames are stored in a random order."""
    item = dicom.enhanced(SMALL, VOXELS)
    groups = list(item.PerFrameFunctionalGroupsSequence)
    order = random.Random(4).sample(range(len(groups)), len(groups))
    size = SMALL.rows * SMALL.columns * 2
    pixels = item.PixelData
    item.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    item.PixelData = b"".join(pixels[index * size : (index + 1) * size] for index in order)
    loaded = read_dicom(dicom.save([item], tmp_path / "in"), cache_dir=tmp_path / "cache")
    expect(loaded, SMALL, VOXELS)


def test_that_file_names_and_instance_numbers_decide_nothing(tmp_path):
    """[D2] Shuffled names and shuffled instance numbers: geometry and time give the order."""
    items = dicom.classic(replace(SMALL, manufacturer="Philips Medical Systems"), VOXELS)
    numbers = random.Random(5).sample(range(1, len(items) + 1), len(items))
    for item, number in zip(items, numbers, strict=True):
        item.InstanceNumber = number
    names = random.Random(6).sample(range(len(items)), len(items))
    folder = dicom.save(items, tmp_path / "in", lambda index: f"{names[index]:05d}")
    expect(read_dicom(folder, cache_dir=tmp_path / "cache"), SMALL, VOXELS)


def test_that_the_hash_depends_on_content_not_on_names_or_folders(tmp_path):
    items = dicom.mosaic(SMALL, VOXELS)
    one = dicom.save(items, tmp_path / "one")
    for index, item in enumerate(items):
        dicom.save([item], tmp_path / "two" / f"{index % 3}", lambda _i, n=index: f"{99 - n}.ima")
    first, second = find_series(one, ""), find_series(tmp_path / "two", "")
    assert series_sha256(first) == series_sha256(second)
    loaded = read_dicom(one, cache_dir=tmp_path / "cache")
    assert loaded.scan.sha256 == series_sha256(first)
    changed = bytearray((one / "IM00003").read_bytes())
    changed[-1] ^= 1
    (one / "IM00003").write_bytes(changed)
    assert series_sha256(find_series(one, "")) != series_sha256(second)


def hashes(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of change of every file."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_that_the_source_is_untouched_and_nothing_private_stays(tmp_path, monkeypatch):
    """[P1] No name, date, identifier or UID in findings, sidecar, cache names or what is left."""
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    folder = dicom.save(dicom.classic(SMALL, VOXELS), tmp_path / "in")
    before = hashes(folder)
    seen: dict[str, bytes] = {}

    def look(_event: Any) -> None:
        for path in [*private.rglob("*.json"), *private.rglob("scan.nii")]:
            seen[path.name] = path.read_bytes()
        seen["names"] = "\n".join(str(p.relative_to(private)) for p in private.rglob("*")).encode()

    loaded = read_dicom(folder, cache_dir=tmp_path / "cache", progress=Progress(look))
    assert hashes(folder) == before
    assert list(private.iterdir()) == []
    told = repr((loaded.scan, loaded.findings, loaded.voxel_file.name)).encode()
    for canary in CANARIES:
        assert canary.encode() not in told + seen["names"]
        assert canary.encode() not in seen.get("scan.json", b"")
        assert canary.encode() not in seen.get("scan.nii", b"")[:352]
    if "scan.json" in seen:
        assert json.loads(seen["scan.json"])["RepetitionTime"] == SMALL.repetition_time_s


def test_that_a_cancel_leaves_nothing(tmp_path, monkeypatch):
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    folder = dicom.save(dicom.classic(SMALL, VOXELS), tmp_path / "in")
    asked = []
    counting = Progress(cancelled=lambda: bool(asked.append(None)))
    read_folder(folder)  # headers are read once
    read_dicom(folder, cache_dir=tmp_path / "cache", progress=counting).voxel_file.unlink()
    for stop in (0, 5, len(asked) // 3, len(asked) // 2, len(asked) - 30, len(asked) - 10):
        steps = iter(range(10_000))
        with pytest.raises(CancelledError):
            read_dicom(
                folder,
                cache_dir=tmp_path / "cache",
                progress=Progress(cancelled=lambda s=stop, c=steps: next(c) >= s),
            )
        assert list(private.iterdir()) == []
        assert not list((tmp_path / "cache").glob("*"))


def three_series(folder: Path) -> Path:
    """A localiser, a T1 and a resting run of one person in one folder."""
    dicom.save(dicom.mosaic(SMALL, VOXELS), folder, lambda index: f"a{index}")
    scout = dicom.Protocol(frames=1, slices=3, description="localizer", number=1,
                           sequence="fl2d1", series=dicom.ROOT + "1.1")  # fmt: skip
    dicom.save(dicom.classic(scout, dicom.truth_voxels(scout)), folder, lambda i: f"b{i}")
    head = dicom.Protocol(frames=1, slices=6, description="t1_mprage_sag", number=2,
                          sequence="tfl3d1", series=dicom.ROOT + "1.2")  # fmt: skip
    items = dicom.classic(head, dicom.truth_voxels(head))
    for item in items:
        item.ScanningSequence, item.MRAcquisitionType = ["GR", "IR"], "3D"
    dicom.save(items, folder, lambda index: f"c{index}")
    (folder / "notes.txt").write_text("x" * 500)
    (folder / "noise").write_bytes(os.urandom(500))
    return folder


def test_that_the_table_names_every_series_with_its_kind_and_reason(tmp_path):
    contents = contents_of(three_series(tmp_path / "in"))
    rows = {choice.number: choice for choice in contents.choices}
    assert [rows[n].kind for n in (1, 2, 5)] == ["localiser", "T1w", "rest"]
    assert rows[5].matrix == (6, 7, 4) and rows[5].volumes == 20
    assert rows[5].repetition_time_s == 2.1 and rows[5].date == "2024-05-17"
    assert rows[5].modality == "MR" and rows[5].title == "rest_bold"
    assert rows[5].openable and not rows[1].openable and not rows[2].openable
    assert all(choice.reason for choice in contents.choices)
    assert contents.candidates == (rows[5],)
    assert contents.find("5") == contents.find(rows[5].key) == rows[5]
    assert contents.find("9") is None


def test_that_the_one_functional_series_is_taken_and_others_only_when_named(tmp_path):
    folder = three_series(tmp_path / "in")
    expect(read_dicom(folder, cache_dir=tmp_path / "cache"), SMALL, VOXELS)
    expect(read_dicom(folder, series="5", cache_dir=tmp_path / "cache"), SMALL, VOXELS)
    expect(read_dicom(folder, series=SMALL.series, cache_dir=tmp_path / "cache"), SMALL, VOXELS)


def test_that_a_second_look_reads_no_header_again(tmp_path):
    folder = dicom.save(dicom.mosaic(SMALL, VOXELS), tmp_path / "in")
    first, _ = read_folder(folder)
    second, _ = read_folder(folder)
    assert first is second
    (folder / "IM00000").touch()
    third, _ = read_folder(folder)
    assert third is not first


def test_that_age_and_sex_are_offered_and_no_more(tmp_path):
    items = dicom.mosaic(SMALL, VOXELS)
    for item in items:
        item.PatientAge = "063Y"
    facts = facts_of(find_series(dicom.save(items, tmp_path / "in"), ""))
    assert (facts.age_years, facts.sex, facts.label) == (63.0, "F", "sub-unnamed")


def test_that_big_endian_and_implicit_files_load_exactly(tmp_path):
    """[N8, D4] The uncompressed transfer syntaxes."""
    from pydicom.uid import ImplicitVRLittleEndian

    items = dicom.mosaic(SMALL, VOXELS)
    for item in items:
        item.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    folder = tmp_path / "in"
    folder.mkdir()
    for index, item in enumerate(items):
        item.save_as(folder / f"{index}", implicit_vr=True, little_endian=True)
    expect(read_dicom(folder, cache_dir=tmp_path / "cache"), SMALL, VOXELS)


def test_that_run_length_encoded_files_load_with_exact_values(tmp_path):
    """[D4] A compressed syntax is decoded by the converter's process only."""
    from pydicom.uid import RLELossless

    items = dicom.classic(SMALL, VOXELS)
    for item in items:
        item.compress(RLELossless)
    folder = dicom.save(items, tmp_path / "in")
    expect(read_dicom(folder, cache_dir=tmp_path / "cache"), SMALL, VOXELS)


def test_that_a_scan_over_midnight_keeps_its_order(tmp_path):
    items = dicom.mosaic(SMALL, VOXELS)
    for frame, item in enumerate(items):
        seconds = (86400 - 10 + frame * SMALL.repetition_time_s) % 86400
        item.AcquisitionTime = (
            f"{int(seconds // 3600):02d}{int(seconds % 3600 // 60):02d}{seconds % 60:09.6f}"
        )
    folder = dicom.save(items, tmp_path / "in")
    expect(read_dicom(folder, cache_dir=tmp_path / "cache"), SMALL, VOXELS)


@pytest.fixture
def opened_outside() -> Callable[[Path], list[str]]:
    """Watches every file that Python opens below a folder's parent."""
    opened: list[str] = []
    active = [False]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if active[0] and event == "open" and isinstance(arguments[0], str):
            opened.append(arguments[0])

    sys.addaudithook(hook)

    def outside(root: Path) -> list[str]:
        active[0] = True
        return [
            name
            for name in opened
            if name.startswith(str(root.parent)) and not name.startswith(str(root) + os.sep)
        ]

    yield outside
    active[0] = False


def test_that_nothing_outside_the_folder_is_opened(tmp_path, opened_outside):
    """[D6] DICOMDIR entries and links that lead out; executables in the preamble."""
    folder = dicom.save(dicom.mosaic(SMALL, VOXELS), tmp_path / "in")
    secret = tmp_path / "secret.dcm"
    secret.write_bytes((folder / "IM00000").read_bytes())
    (folder / "link.dcm").symlink_to(secret)
    (folder / "all").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"../secret.dcm" * 20)
    for index, magic in enumerate((b"MZ\x90\0", b"\x7fELF", b"<html>", b"PK\3\4")):
        path = folder / f"IM{index:05d}"
        content = path.read_bytes()
        path.write_bytes((magic + b"\xcc" * 128)[:128] + content[128:])
    assert opened_outside(folder) == []  # from here on it watches
    contents = contents_of(folder)
    assert {finding.code for finding in contents.findings} == {"dicom.link_outside"}
    expect(read_dicom(folder, cache_dir=folder / "cache"), SMALL, VOXELS)
    assert opened_outside(folder) == []
