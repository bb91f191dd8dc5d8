"""What is wrong with a scan, a model or a target: one clear message, and the program goes on."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tomli_w

from app.core.resources import model_weights_path
from app.simulation.participant import SimulatedParticipant
from app.study.case_store import damaged_files, read_case
from tests.end_to_end.command_line import CommandLine, Said, command_line, leftovers
from tests.unit.scans.nifti_files import SHAPE, body, header1, header2, voxels, write

NAME = "Jane_Doe_19610714"  # in the path of every bad file; no message may repeat it
GOOD = header1() + b"\0" * 4 + body(voxels())
SMALL_FILES_BYTES = 1 << 20
Make = Callable[[Path], Path]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """One worker for all bad files of this module."""
    with command_line(tmp_path_factory.mktemp("command-line")) as running:
        running.worker.start()
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the bad file lies; people name folders after participants."""
    made = tmp_path / NAME
    made.mkdir()
    return made


def refused(said: Said, code: int = 1) -> str:
    """The one message of a command that failed, with what to do; nothing else was printed."""
    assert said.code == code, said
    assert "Traceback" not in said.error + said.out
    lines = [text for text in said.error.splitlines() if not text.startswith("[")]
    assert len(lines) == 2, said.error  # what is wrong, then what to do
    assert lines[0].startswith("error: ")
    assert len(lines[1].strip()) > 10
    assert said.out == ""
    return " ".join(lines)


def stored(content: bytes, name: str = "run.nii") -> Make:
    """A file of these bytes, gzipped where the name says so."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
        return path

    return make


def filled(value: float) -> Make:
    """A run of floats in which one slice of every other volume holds `value`."""
    data = voxels("f4")
    data[2, ..., ::2] = value
    return lambda folder: write(folder / "run.nii.gz", data)


def header(**fields: object) -> Make:
    """A run with a wrong header."""
    return lambda folder: write(folder / "run.nii", **fields)


def a_folder(folder: Path) -> Path:
    made = folder / "run.nii"
    made.mkdir()
    return made


def sidecar_in_ms(folder: Path) -> Path:
    (folder / "run.json").write_text('{"RepetitionTime": 2000}')
    return write(folder / "run.nii")


BAD_FILES: dict[str, tuple[Make, str]] = {
    "text": (stored(b"this is a letter, not a scan\n" * 40), "not a NIfTI"),
    "picture": (stored(b"\x89PNG\r\n\x1a\n" + b"\0" * 600), "not a NIfTI"),
    "empty": (stored(b""), "empty"),
    "folder": (a_folder, "Nothing in the folder can be opened"),
    "truncated": (stored(GOOD[: len(GOOD) // 2]), "claims 24 volumes, holds 11"),
    "truncated gzip": (
        lambda f: stored(gzip.compress(GOOD)[:9000], "run.nii.gz.cut")(f).rename(f / "r.nii.gz"),
        "claims 24 volumes",
    ),
    "3-D": (header(dim=(3, 7, 8, 9, 1, 1, 1, 1)), "3-D"),
    "5-D": (stored(header1((7, 8, 9, 24, 3)) + b"\0" * 4 + body(voxels()) * 3), "5-D"),
    "terabytes": (stored(header2(dtype="f8", dim=(4, *[2**15] * 4, 1, 1, 1)) + b"\0" * 4), "GiB"),
    "gzip bomb": (stored(GOOD + b"\0" * (64 << 20), "run.nii.gz"), "far more than its header"),
    "NaN": (filled(np.nan), "not finite"),
    "infinite": (filled(np.inf), "not finite"),
    "TR 0": (header(pixdim=(1, 3, 3.5, 4, 0, 0, 0, 0)), "repetition time"),
    "TR in ms": (header(pixdim=(1, 3, 3.5, 4, 2000, 0, 0, 0)), "milliseconds: 2 s"),
    "sidecar TR in ms": (sidecar_in_ms, "milliseconds: 2 s"),
    "too few volumes": (lambda f: write(f / "run.nii", voxels()[..., :12]), "12 volumes"),
    "all zero": (lambda f: write(f / "run.nii", np.zeros(SHAPE, "i2")), "zero"),
    "no orientation": (header(srow=np.zeros((3, 4))), "sform"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_that_a_bad_file_is_one_clear_message_and_nothing_is_written(
    line: CommandLine, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    make, words = BAD_FILES[name]
    scan, pid, out = make(folder), line.worker.child_pid, tmp_path / "out"
    message = refused(line.run(capsys, "predict", scan, "--out", out))
    assert words in message
    assert NAME not in message
    assert "run.nii" not in message
    assert leftovers(out, line.private) == []
    assert line.worker.child_pid == pid  # the worker stayed


def test_that_a_missing_file_is_a_mistake_of_the_command_line(
    line: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = line.run(capsys, "predict", tmp_path / "none.nii.gz", "--out", tmp_path / "out")
    assert "There is no file" in refused(said, code=2)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------- models


def other_atlas(bundle: Path) -> None:
    edit_card(bundle, "atlas", "AAL3")


def other_parcel_count(bundle: Path) -> None:
    edit_card(bundle, "parcel_count", 424)


def other_preset(bundle: Path) -> None:
    edit_card(bundle, "preset", "no-such-preset")


def changed_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def edit_card(bundle: Path, field: str, value: object) -> None:
    card = tomllib.loads((bundle / "card.toml").read_text(encoding="utf-8"))
    assert card["contract"][field] != value
    card["contract"][field] = value
    (bundle / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_atlas, "AAL3"),
        (other_parcel_count, "parcel_count"),
        (other_preset, "no-such-preset"),
        (changed_weights, "SHA-256"),
    ],
)
def test_that_a_model_that_does_not_fit_is_refused(
    line: CommandLine, small_participant: SimulatedParticipant, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], words: str,
) -> None:  # fmt: skip
    bundle, out = tmp_path / "simulated-demo", tmp_path / "out"
    shutil.copytree(model_weights_path() / "simulated-demo", bundle)
    change(bundle)
    said = line.run(
        capsys, "predict", small_participant.paths.bold, "--out", out, "--model", bundle
    )
    assert words in refused(said)
    assert leftovers(out, line.private) == []


def test_that_an_unknown_model_is_refused_by_name(
    line: CommandLine, small_participant: SimulatedParticipant, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    scan = small_participant.paths.bold
    said = line.run(capsys, "predict", scan, "--out", tmp_path / "out", "--model", "nobody")
    assert "'nobody'" in refused(said)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------- targets


def test_that_a_target_below_a_file_is_refused_before_the_work(
    line: CommandLine, small_participant: SimulatedParticipant, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "letter.txt").write_text("in the way")
    out = tmp_path / "letter.txt" / "cases"
    said = line.run(capsys, "predict", small_participant.paths.bold, "--out", out)
    assert "not a folder" in refused(said)
    assert "Steady state" not in said.error
    assert (tmp_path / "letter.txt").read_text() == "in the way"


def test_that_a_read_only_target_is_refused_before_the_work(
    line: CommandLine, small_participant: SimulatedParticipant, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    target = tmp_path / "read-only"
    target.mkdir()
    with read_only(target):
        said = line.run(capsys, "predict", small_participant.paths.bold, "--out", target / "cases")
        assert "Choose another folder" in refused(said)
    assert "Steady state" not in said.error
    assert list(target.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is a feature of Linux")
def test_that_no_space_for_the_voxels_is_one_message_and_room_brings_the_answer_back(
    line: CommandLine, small_participant: SimulatedParticipant, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    scan, out, pid = small_participant.paths.bold, tmp_path / "out", line.worker.child_pid
    assert pid is not None
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL_FILES_BYTES, hard))
    try:
        message = refused(line.run(capsys, "predict", scan, "--out", out))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert "space" in message
    assert leftovers(out, line.private) == []
    assert line.worker.child_pid == pid


class read_only:  # noqa: N801 - reads as a word
    """Nobody, root included, can write into `folder` for the time of the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        if os.geteuid() != 0:
            self._folder.chmod(0o500)
            return
        mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(self._folder)]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("root may write everywhere, and mounting is not allowed here")

    def __exit__(self, *_exception: object) -> None:
        if os.geteuid() != 0:
            self._folder.chmod(0o700)
            return
        subprocess.run(["umount", str(self._folder)], check=True, capture_output=True)


# ---------------------------------------------------------------------------- withheld


def test_that_a_scan_of_unknown_orientation_is_measured_but_withheld(
    line: CommandLine, small_participant: SimulatedParticipant, folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    image = nibabel.load(small_participant.paths.bold)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    scan = folder / "sub-01_task-rest_bold.nii"
    nibabel.save(image, scan)
    shutil.copy(small_participant.paths.sidecar, folder / "sub-01_task-rest_bold.json")
    out = tmp_path / "out"
    said = line.run(capsys, "predict", scan, "--out", out)
    assert said.code == 0
    assert "Withheld" in said.out
    assert "left and right are unknown" in said.out
    assert NAME not in said.out
    assert " %" not in said.out
    (case_folder,) = out.iterdir()
    case = read_case(case_folder)
    assert damaged_files(case_folder) == ()
    assert case.prediction is not None
    assert case.prediction.probability is None
    assert case.prediction.log_odds is None
    assert case.attribution is None
    assert leftovers(out, line.private) == []
