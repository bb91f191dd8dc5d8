"""A case folder is whole or absent, comes back to the bit, and keeps withheld numbers out."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.errors import StorageError
from app.core.results import Case, ConformalSet, Outcome
from app.study import files as storage
from app.study.case_store import (
    case_id,
    damaged_files,
    read_case,
    update_case,
    verify_case,
    write_case,
)
from app.study.case_view import open_view
from app.study.tables import case_tables
from tests.sample_case import CASE_IDS, make_sample_case, sample_case
from tests.unit.study.conftest import FaultyDisk
from tests.unit.study.test_codec import same

Tree = Callable[[Path], dict[str, bytes]]
KEYS = set(
    "case_id participant_uuid scan_sha256 outcome probability interval base_rate "  # noqa: SIM905
    "responder_definition drug model atlas quality novelty attribution provenance findings".split()
)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_that_a_case_comes_back_equal_to_the_bit(tmp_path: Path, outcome: Outcome) -> None:
    case = sample_case(outcome)
    folder = write_case(case, tmp_path)
    assert folder == tmp_path / CASE_IDS[outcome]
    assert same(read_case(folder), case)
    verify_case(folder)


def test_that_case_json_has_the_agreed_keys_and_values(tmp_path: Path, full_case: Case) -> None:
    document = json.loads((write_case(full_case, tmp_path) / "case.json").read_text())
    assert set(document) >= KEYS
    assert document["probability"] == 0.71
    assert document["interval"] == [0.58, 0.82]
    assert document["conformal_set"] == {
        "set": "{R}", "level": 0.9, "coverage_range": [0.85, 0.95], "calibration_people": 160,
    }  # fmt: skip
    assert document["model"] == {"id": "simulated-demo", "weights_sha256": "ab" * 32}
    assert document["attribution"]["modality_contribution"]["series"] == 0.5
    assert document["quality"]["metrics"]["mean_fd_power_mm"]["value"] == 0.14


def test_that_the_same_case_gives_the_same_bytes(
    tmp_path: Path, small_case: Case, tree: Tree
) -> None:
    first = write_case(small_case, tmp_path / "a", files={"view/x.npz": {"file": np.arange(3)}})
    second = write_case(small_case, tmp_path / "b", files={"view/x.npz": {"file": np.arange(3)}})
    assert tree(first) == tree(second)


def test_that_tables_hold_the_values_of_the_arrays(tmp_path: Path, small_case: Case) -> None:
    folder = write_case(small_case, tmp_path)
    assert small_case.signals is not None
    name = "sub-7_task-rest_atlas-Tiny_stat-mean_desc-cleaned_timeseries.tsv"
    lines = (folder / name).read_text().splitlines()
    assert lines[0].split("\t") == list(small_case.signals.parcel_names)
    values = np.array([line.split("\t") for line in lines[1:]], dtype=np.float32)
    assert np.array_equal(values, small_case.signals.cleaned)
    confounds = (folder / "sub-7_task-rest_desc-confounds_timeseries.tsv").read_text()
    assert confounds.splitlines()[:2] == ["rot_z\tstd_dvars", "0.0\tn/a"]


def test_that_a_finished_case_has_every_table_of_the_contract(
    tmp_path: Path, full_case: Case
) -> None:
    folder = write_case(full_case, tmp_path)
    stem = "sub-demo_ses-1_task-rest"
    for end in (
        "desc-confounds_timeseries.tsv",
        "atlas-HCPEx_stat-mean_desc-cleaned_timeseries.tsv",
        "atlas-HCPEx_stat-pearsoncorrelation_relmat.tsv",
        "atlas-HCPEx_desc-attribution_parcels.tsv",
        "atlas-HCPEx_desc-attribution_connections.tsv",
    ):
        assert (folder / f"{stem}_{end}").is_file()
    header = (folder / f"{stem}_desc-confounds_timeseries.tsv").read_text().split("\n")[0]
    assert header.split("\t")[6:8] == ["framewise_displacement", "std_dvars"]


def test_that_the_table_of_parcels_names_no_side_where_the_scan_does_not(full_case: Case) -> None:
    end = "desc-attribution_parcels.tsv"

    def parcels(case: Case) -> list[list[str]]:
        found = next(text for name, text in case_tables(case).items() if name.endswith(end))
        return [line.split("\t") for line in found.decode().splitlines()[1:]]

    assert {row[2] for row in parcels(full_case)} == {"L", "R"}
    lost = replace(full_case.scan, sform_code=0, qform_code=0)
    rows = parcels(replace(full_case, scan=lost))
    assert {row[2] for row in rows} == {"?"}
    assert not any(row[0].endswith(("_L", "_R")) for row in rows)
    assert [row[3:] for row in rows] == [row[3:] for row in parcels(full_case)]


@pytest.mark.parametrize(
    "numbers",
    [
        {"probability": 0.123456},
        {"interval": (0.1, 0.2)},
        {"log_odds": 1.0},
        {"log_odds_windows": np.ones(2)},
        {"covariate_probability": 0.3},
        {"contributions": {"bias": 1.0}},
        {"conformal": ConformalSet(True, False, 0.9, (0.8, 1.0), 17)},
    ],
)
def test_that_a_withheld_number_is_never_written(
    tmp_path: Path, small_case: Case, withheld: Callable[[Case], Case], numbers: dict[str, Any]
) -> None:
    case = withheld(small_case)
    assert case.prediction is not None
    leaky = replace(case, prediction=replace(case.prediction, **numbers))
    with pytest.raises(StorageError) as caught:
        write_case(leaky, tmp_path)
    assert caught.value.code == "study.withheld_number"
    assert list(tmp_path.iterdir()) == []
    folder = write_case(case, tmp_path)
    document = json.loads((folder / "case.json").read_text())
    assert document["outcome"] == "withheld"
    assert document["probability"] is None
    assert document["interval"] is None
    assert document["conformal_set"] is None
    assert document["record"]["prediction"]["log_odds"] is None


def test_that_an_attribution_of_a_withheld_case_is_never_written(
    tmp_path: Path, full_case: Case, withheld: Callable[[Case], Case]
) -> None:
    with pytest.raises(StorageError, match="attribution"):
        write_case(withheld(full_case), tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a\\b", "", ".hidden", "a/\0", "x" * 200])
def test_that_a_file_name_cannot_leave_the_folder(
    tmp_path: Path, small_case: Case, name: str
) -> None:
    with pytest.raises(StorageError) as caught:
        write_case(small_case, tmp_path / "out", files={name: b"x"})
    assert caught.value.code == "study.unsafe_name"
    assert list((tmp_path / "out").iterdir()) == []


def test_that_a_label_cannot_leave_the_folder(tmp_path: Path, small_case: Case) -> None:
    who = replace(small_case.participant, label="../../sub-1")
    with pytest.raises(StorageError):
        write_case(replace(small_case, participant=who), tmp_path)


def test_that_the_loser_of_a_race_keeps_the_first_folder(
    tmp_path: Path, small_case: Case, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = storage.publish

    def late(temporary: Path, target: Path) -> bool:
        monkeypatch.setattr(storage, "publish", real)
        write_case(small_case, tmp_path)
        (tmp_path / "first").touch()
        return real(temporary, target)

    monkeypatch.setattr(storage, "publish", late)
    folder = write_case(small_case, tmp_path, files={"late.txt": "late"})
    assert (tmp_path / "first").exists()
    assert not (folder / "late.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [small_case.case_id, "first"]


def test_that_a_damaged_folder_is_found_refused_and_replaced(
    tmp_path: Path, small_case: Case
) -> None:
    folder = write_case(small_case, tmp_path, files={"note.txt": "a"})
    (folder / "note.txt").write_text("b")
    assert damaged_files(folder) == ("note.txt",)
    with pytest.raises(StorageError, match=r"note\.txt"):
        verify_case(folder)
    write_case(small_case, tmp_path, files={"note.txt": "a"})
    verify_case(folder)
    data = bytearray((folder / "arrays.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "arrays.npz").write_bytes(data)
    with pytest.raises(StorageError) as caught:
        read_case(folder)
    assert caught.value.code == "study.case_damaged"


def test_that_a_renamed_folder_is_refused_with_the_name_that_it_must_have(
    tmp_path: Path, small_case: Case
) -> None:
    folder = write_case(small_case, tmp_path)
    folder.rename(tmp_path / "copy of it")
    with pytest.raises(StorageError, match=small_case.case_id) as caught:
        read_case(tmp_path / "copy of it")
    assert caught.value.code == "study.renamed_case"
    (tmp_path / "copy of it").rename(folder)
    assert read_case(folder).case_id == small_case.case_id


def test_that_an_ordinary_folder_is_no_case(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        read_case(tmp_path)
    assert caught.value.code == "study.no_case"


@pytest.mark.parametrize("exchange", [True, False])
def test_that_a_case_grows_and_mapped_arrays_stay_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(storage, "_exchange", lambda first, second: False)
    folder = make_sample_case(tmp_path, attribution=False)
    case = read_case(folder)
    view = open_view(folder)
    assert view.labels is not None
    before = int(view.labels.sum(dtype=np.int64))
    (folder / "my notes.txt").write_text("kept")
    grown = replace(case, attribution=sample_case().attribution)
    assert update_case(folder, grown, {"sub-demo_desc-summary.pdf": b"%PDF"}) == folder
    assert same(read_case(folder), grown)
    verify_case(folder)
    assert (folder / "my notes.txt").read_text() == "kept"
    assert (folder / "sub-demo_desc-summary.pdf").read_bytes() == b"%PDF"
    assert int(view.labels.sum(dtype=np.int64)) == before
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_that_a_case_of_another_scan_cannot_grow_into_a_folder(
    tmp_path: Path, small_case: Case
) -> None:
    folder = write_case(small_case, tmp_path)
    other = replace(small_case, scan=replace(small_case.scan, sha256="34" * 32))
    with pytest.raises(StorageError) as caught:
        update_case(folder, other)
    assert caught.value.code == "study.wrong_binding"


FAULTS = [
    (errno.ENOSPC, "study.no_space"),
    (errno.EROFS, "study.read_only"),
    (errno.EIO, "study.write_failed"),
]


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("function", ["write", "fsync", "open", "rename"])
def test_that_a_failing_disk_leaves_the_old_case_and_nothing_else(
    tmp_path: Path, small_case: Case, faulty_disk: FaultyDisk, tree: Tree, function: str,
    persistent: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = write_case(small_case, tmp_path, files={"note.txt": "old"})
    before = tree(tmp_path)
    new = {"note.txt": "new"}
    faulty_disk.fail(function, -1, 0, persistent=False)
    write_case(small_case, tmp_path / "count", files=new)
    count = faulty_disk.calls
    faulty_disk.heal()
    for number in range(count):
        fault, code = FAULTS[number % len(FAULTS)]
        for work in (
            lambda: write_case(small_case, tmp_path, files=new, replace=True),
            lambda: update_case(folder, small_case, new),
            lambda: write_case(small_case, tmp_path / "fresh", files=new),
        ):
            faulty_disk.fail(function, number, fault, persistent=persistent)
            if not persistent:
                monkeypatch.setattr(storage, "_exchange", lambda first, second: False)
            codes = []
            try:
                work()
            except StorageError as error:
                codes.append(error.code)
            finally:
                faulty_disk.heal()
            assert codes in ([], [code])
            assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
            verify_case(folder)
            fresh = tmp_path / "fresh"
            assert not fresh.exists() or all(not damaged_files(p) for p in fresh.iterdir())
            if (folder / "note.txt").read_text() == "new":
                write_case(small_case, tmp_path, files={"note.txt": "old"}, replace=True)
    after = {k: v for k, v in tree(tmp_path).items() if k.startswith(folder.name)}
    assert after == {k: v for k, v in before.items() if k.startswith(folder.name)}


def test_that_short_writes_are_continued(
    tmp_path: Path, small_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:1000])))
    folder = write_case(small_case, tmp_path)
    monkeypatch.undo()
    verify_case(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a device of Linux")
def test_that_a_full_device_is_reported() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(StorageError) as caught, storage.storage_errors():
            storage.write_all(descriptor, b"x")
    finally:
        os.close(descriptor)
    assert caught.value.code == "study.no_space"


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_that_a_file_size_limit_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from pathlib import Path
        from app.core.errors import StorageError
        from app.study.case_store import write_case
        from tests.sample_case import sample_case
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_case(sample_case(), Path(sys.argv[1]))
        except StorageError as error:
            print(error.code)
    """
    done = _python(code, tmp_path)
    assert done.stdout.strip() == "study.no_space"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_that_a_kill_at_any_moment_leaves_a_whole_case(tmp_path: Path, small_case: Case) -> None:
    folder = write_case(small_case, tmp_path, files={"round.txt": "start"})
    code = """
        import sys
        from pathlib import Path
        from app.study.case_store import read_case, update_case
        folder = Path(sys.argv[1])
        case = read_case(folder)
        print("go", flush=True)
        for number in range(10_000):
            update_case(folder, case, {"round.txt": str(number) * 5000})
    """
    rng = np.random.default_rng(5)
    for _ in range(12):
        command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"go\n"
            time.sleep(float(rng.uniform(0.0, 0.08)))
            child.send_signal(signal.SIGKILL)
        storage.recover(tmp_path)
        verify_case(folder)
        assert same(read_case(folder), small_case)
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_that_only_stale_temporaries_are_removed_and_an_old_folder_is_restored(
    tmp_path: Path, small_case: Case
) -> None:
    folder = write_case(small_case, tmp_path)
    folder.rename(tmp_path / f".old-{folder.name}-0123456789ab")
    for name in (".tmp-x-0123456789ab", ".tmp-mine", "x"):
        (tmp_path / name).mkdir()
    assert storage.recover(tmp_path) == (folder.name,)
    verify_case(folder)
    assert (tmp_path / ".tmp-x-0123456789ab").exists()
    storage.recover(tmp_path, now_s=time.time() + 25 * 3600)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([".tmp-mine", folder.name, "x"])


def test_that_the_case_id_depends_on_everything_that_decides_the_answer() -> None:
    base = {
        "scan_sha256": "a", "settings": {"x": 1, "y": [2]}, "model_sha256": "m",
        "app_version": "1",
    }  # fmt: skip
    first = case_id(**base)  # type: ignore[arg-type]
    assert len(first) == 16
    assert int(first, 16) >= 0
    assert first == case_id(**{**base, "settings": {"y": [2], "x": 1}})  # type: ignore[arg-type]
    for change in (
        {"scan_sha256": "b"}, {"settings": {"x": 2, "y": [2]}}, {"model_sha256": "n"},
        {"app_version": "2"},
    ):  # fmt: skip
        assert case_id(**{**base, **change}) != first  # type: ignore[arg-type]


def test_that_reading_a_case_needs_neither_nibabel_nor_torch(tmp_path: Path) -> None:
    folder = make_sample_case(tmp_path)
    code = """
        import sys
        from pathlib import Path
        from app.study.case_store import read_case
        from app.study.case_view import open_view
        read_case(Path(sys.argv[1])), open_view(Path(sys.argv[1]))
        print(sorted({"nibabel", "torch", "nilearn", "ants", "scipy"} & set(sys.modules)))
    """
    assert _python(code, folder).stdout.strip() == "[]"


def _python(code: str, argument: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), str(argument)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
