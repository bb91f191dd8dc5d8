"""The command line gives what the recipe gives, to the last bit, and nothing that it must not."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from app.cli.checks import answer_hashes
from app.core.resources import project_root
from app.core.results import Case, Outcome
from app.core.wording import RESEARCH_STAMP, RUO_LINE, SIMULATED_STAMP
from app.simulation.participant import SimulatedParticipant
from app.study.case_store import damaged_files, read_case
from tests.end_to_end.command_line import CommandLine, command_line

# Planted where people put such things; none may come out anywhere.
CANARIES = (
    "Mustermann", "Erika", "19610714", "1961-07-14", "14.07.1961", "PAT4711", "Heidestrasse",
    "DrHolzweg", "Charlottenklinik", "Gabler",
)  # fmt: skip
SIDECAR_CANARIES = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "PAT4711",
    "PatientBirthDate": "19610714",
    "PatientAddress": "Heidestrasse 17",
    "ReferringPhysicianName": "DrHolzweg",
    "InstitutionName": "Charlottenklinik",
    "AcquisitionDate": "1961-07-14",
    "StudyDescription": "Erika Mustermann, geb. Gabler",
}
DIFFERS = {"case_id", "participant_uuid", "threads", "stage_seconds", "finished_utc"}
LONGEST_S = 900.0  # that a whole job may take on a busy machine
ROOT = project_root()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True)
class Run:
    """One command in its own process."""

    code: int
    out: str
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Planted:
    """The default participant's dataset under names of a person, and the first command on it."""

    place: Path
    scan: Path
    out: Path
    first: Run

    @property
    def folder(self) -> Path:
        """The only case folder."""
        (folder,) = self.out.iterdir()
        return folder


def run_command(place: Path, *words: str | Path) -> Run:
    """`main.py` as a user starts it, with home and private files below `place`."""
    command = [sys.executable, "main.py"]
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        # main.py would set up its own environment first.
        code = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code]
    private, home = place / "private", place / "home"
    for folder in (private, home):
        folder.mkdir(exist_ok=True)
    variables = {**os.environ, "TMPDIR": str(private), "NEURORESPONDER_HOME": str(home)}
    began = time.monotonic()
    done = subprocess.run(
        [*command, *map(str, words)],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


@pytest.fixture(scope="module")
def planted(participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    place = tmp_path_factory.mktemp("front-ends")
    dataset = place / "Erika_Mustermann_geb_Gabler_1961-07-14"
    shutil.copytree(participant.paths.dataset, dataset, ignore=shutil.ignore_patterns("truth"))
    scan = dataset / participant.paths.bold.relative_to(participant.paths.dataset)
    sidecar = dataset / participant.paths.sidecar.relative_to(participant.paths.dataset)
    facts = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**facts, **SIDECAR_CANARIES}))
    table = dataset / "participants.tsv"
    head, *rows = table.read_text().splitlines()
    named = [f"{head}\tname\tbirthdate", *(f"{row}\tMustermann\t14.07.1961" for row in rows)]
    table.write_text("\n".join(named) + "\n")
    out = place / "out"
    first = run_command(place, "predict", scan, "--out", out, "--threads", "1")
    return Planted(place, scan, out, first)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """One worker for the commands on the small scan."""
    with command_line(tmp_path_factory.mktemp("command-line")) as running:
        running.worker.start()
        yield running


# ---------------------------------------------------------------------------- the same bits


def test_that_the_command_line_says_number_stamp_and_places(planted: Planted) -> None:
    said = planted.first
    assert said.code == 0, said.error
    case = read_case(planted.folder)
    assert case.prediction is not None
    assert SIMULATED_STAMP in said.out
    assert RUO_LINE in said.out
    assert f"Case folder: {planted.folder}" in said.out
    assert "_desc-summary.pdf" in said.out
    (pdf,) = planted.folder.glob("*_desc-summary.pdf")
    assert len(PdfReader(pdf).pages) == 4  # no page holds a leftover of the one before
    assert "Traceback" not in said.error + said.out
    stages = [text.split("] ")[1].split(" (")[0] for text in said.error.splitlines()]
    assert list(dict.fromkeys(stages))[:2] == ["Open the scan", "Steady state"]
    assert stages[-1].startswith("Report")


def test_that_command_line_and_recipe_give_the_same_case_to_the_last_bit(
    planted: Planted, case_folder: tuple[Case, Path]
) -> None:
    """The recipe ran in this process with 2 threads, the command in its worker with 1."""
    ours, theirs = planted.folder, case_folder[1]
    # The planted sidecar says more, so the case is another one; its content must be the same.
    assert ours.name != theirs.name
    assert damaged_files(ours) == ()
    with np.load(ours / "arrays.npz") as one, np.load(theirs / "arrays.npz") as other:
        assert set(one.files) == set(other.files)
        for name in one.files:
            assert one[name].tobytes() == other[name].tobytes(), name
            assert one[name].dtype == other[name].dtype, name
    assert plain(ours) == plain(theirs)
    assert json.loads((ours / "case.json").read_text())["provenance"]["threads"] == 1
    mine, yours = hashes(ours), hashes(theirs)
    assert set(mine) == set(yours)
    # Time, identity and threads stand in the texts; nothing else may differ in a single byte.
    texts = re.compile(r"case\.json|.*_desc-summary\.(pdf|html)")
    assert [n for n in mine if mine[n] != yours[n] and not texts.fullmatch(n)] == []
    assert answer_hashes(read_case(ours)) == answer_hashes(case_folder[0])


def plain(folder: Path) -> Any:
    """`case.json` without what may differ between two runs."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            participant = {"uuid"} if "label" in value and "sex" in value else set()
            left_out = DIFFERS | participant
            return {key: strip(inner) for key, inner in value.items() if key not in left_out}
        return [strip(inner) for inner in value] if isinstance(value, list) else value

    return strip(json.loads((folder / "case.json").read_text()))


def hashes(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "manifest.json").read_text())["files"]
    return found


def test_that_the_same_command_again_computes_nothing(planted: Planted) -> None:
    before = {path: path.stat().st_mtime_ns for path in planted.out.rglob("*")}
    again = run_command(planted.place, "predict", planted.scan, "--out", planted.out)
    assert again.code == 0, again.error
    assert again.out == planted.first.out
    assert again.error == ""  # not one stage was entered
    assert {path: path.stat().st_mtime_ns for path in planted.out.rglob("*")} == before


def test_that_a_case_folder_holds_every_file_of_the_contract(planted: Planted) -> None:
    case = read_case(planted.folder)
    p, space = case.stem(), "MNI152NLin2009cAsym"
    wanted = [
        "case.json", "arrays.npz", "manifest.json",
        f"{p}_desc-confounds_timeseries.tsv",
        f"{p}_atlas-HCPEx_stat-mean_desc-cleaned_timeseries.tsv",
        f"{p}_atlas-HCPEx_stat-pearsoncorrelation_relmat.tsv",
        f"{p}_atlas-HCPEx_desc-attribution_parcels.tsv",
        f"{p}_atlas-HCPEx_desc-attribution_connections.tsv",
        f"{p}_boldref.nii.gz", f"{p}_desc-brain_mask.nii.gz", f"{p}_space-{space}_boldref.nii.gz",
        f"{p}_from-{space}_to-boldref_mode-image_xfm.npz",
        f"{p}_space-{space}_atlas-HCPEx_desc-attribution_map.nii.gz",
        f"{p}_desc-summary.pdf", f"{p}_desc-summary.html",
        *(f"view/{name}" for name in (
            "template.npy", "boldref.npy", "labels.npy", "view.json", "native_boldref.npy",
            "native_mask.npy", "native.json", "surface.npz", "carpet_before.npy",
            "carpet_after.npy", "carpet_rows.npy", "mask.npy", "template_mask.npy", "tsnr.npy",
        )),
    ]  # fmt: skip
    assert [name for name in wanted if not (planted.folder / name).is_file()] == []
    template = np.load(planted.folder / "view" / "template.npy", mmap_mode="r")
    assert (template.shape, template.dtype) == ((97, 115, 97), np.uint8)
    matrix = np.loadtxt(planted.folder / wanted[5], delimiter="\t", skiprows=1)
    assert matrix.shape == (426, 426)


def test_that_no_name_path_or_birth_date_comes_out_anywhere(planted: Planted) -> None:
    said = planted.first.out + planted.first.error
    places = [planted.out, planted.place / "home", planted.place / "private"]
    sources = [("standard output", said.encode())]
    sources += [content for place in places for content in contents(place)]
    assert len(sources) > 25
    found = [
        f"{canary} in {name}"
        for name, content in sources
        for canary in CANARIES
        if re.search(re.escape(canary).encode(), name.encode() + content, re.IGNORECASE)
    ]
    assert found == []
    assert list((planted.place / "private").iterdir()) == []


def contents(place: Path) -> Iterator[tuple[str, bytes]]:
    """Every byte below a folder, whatever packed it was, each with a name."""
    for path in sorted(place.rglob("*")):
        if path.is_file():
            name = path.relative_to(place).as_posix()
            yield from unpacked(name, path.read_bytes())


def unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes, and those of every archive or stream in them."""
    yield name, content
    if name.endswith(".gz"):
        yield from unpacked(f"{name}!", gzip.decompress(content))
    elif name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for inner in archive.namelist():
                yield f"{name}!{inner}", archive.read(inner)
    elif name.endswith(".pdf"):
        reader = PdfReader(io.BytesIO(content))
        yield f"{name}!metadata", str(reader.metadata).encode()
        for number, page in enumerate(reader.pages):
            yield f"{name}!text{number}", page.extract_text().encode()
        for number in range(1, len(reader.xref[0]) if 0 in reader.xref else 0):
            thing = reader.get_object(number)
            if hasattr(thing, "get_data"):
                yield f"{name}!stream{number}", thing.get_data()
        for label, copies in reader.attachments.items():
            for copy in copies:
                yield f"{name}!{label}", copy


# ---------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["predict", "{scan}"], 2, "--out"),
        (["predict", "{missing}", "--out", "{out}"], 2, "There is no file"),
        (["predict", "{text}", "--out", "{out}"], 1, "not a NIfTI"),
        (["fly"], 2, "fly"),
    ],
)
def test_that_a_users_mistake_is_an_exit_code_and_a_message(
    small_participant: SimulatedParticipant, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    text = tmp_path / "letter.nii"
    text.write_text("Dear colleague, " * 40)
    names = {
        "scan": small_participant.paths.bold,
        "missing": tmp_path / "none.nii",
        "text": text,
        "out": tmp_path / "out",
    }
    run = run_command(tmp_path, *[word.format(**names) for word in words])
    assert run.code == code
    assert said in run.error
    assert "error:" in run.error
    assert "Traceback" not in run.error + run.out
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------- not simulated


@pytest.fixture(scope="module")
def unknown_person(
    small_participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The small scan, the same bytes, without the sidecar's word that it is simulated."""
    scan = tmp_path_factory.mktemp("unknown") / "sub-01_task-rest_bold.nii.gz"
    shutil.copy(small_participant.paths.bold, scan)
    facts = json.loads(small_participant.paths.sidecar.read_text())
    kept = {key: value for key, value in facts.items() if not key.startswith("Simulated")}
    assert set(facts) - set(kept) == {"SimulatedBy", "SimulatedDrug"}
    scan.with_name("sub-01_task-rest_bold.json").write_text(json.dumps(kept))
    return scan


def test_that_a_person_gets_measurements_and_no_number(
    line: CommandLine, unknown_person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = line.run(capsys, "predict", unknown_person, "--out", tmp_path / "out")
    assert said.code == 0
    assert "- Withheld: no model trained on people is installed" in said.out.splitlines()
    assert " %" not in said.out
    assert SIMULATED_STAMP not in said.out
    (folder,) = (tmp_path / "out").iterdir()
    case = read_case(folder)
    assert case.prediction is not None
    assert case.prediction.outcome is Outcome.WITHHELD
    assert case.prediction.reasons == ("Withheld: no model trained on people is installed",)
    numbers = ("probability", "interval", "log_odds", "log_odds_windows", "covariate_probability")
    assert all(getattr(case.prediction, name) is None for name in numbers)
    assert (case.prediction.contributions, case.attribution) == (None, None)
    assert case.quality is not None
    assert case.connectome is not None
    document = json.loads((folder / "case.json").read_text())
    assert (document["probability"], document["interval"]) == (None, None)
    assert list(folder.glob("*attribution*")) == []
    words = dict(contents(folder))
    pdf = words[next(name for name in words if name.endswith("pdf!text0"))].decode()
    assert "no model trained on people is installed" in " ".join(pdf.lower().split())
    assert "log-odds" not in pdf


def test_that_research_mode_computes_the_same_number_and_stamps_it(
    line: CommandLine, unknown_person: Path, small_case: tuple[Case, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    # How research mode explains, and that those pages are stamped too: `test_real_input`.
    said = line.run(
        capsys, "predict", unknown_person, "--out", tmp_path / "out", "--research",
        "--no-attribution",
    )  # fmt: skip
    assert said.code == 0
    assert RESEARCH_STAMP in said.out
    (folder,) = (tmp_path / "out").iterdir()
    case = read_case(folder)
    assert case.prediction is not None
    assert case.prediction.research_only
    assert case.prediction.outcome is Outcome.WITHHELD
    assert case.prediction.probability is not None
    known = small_case[0].prediction
    assert known is not None
    assert case.prediction.log_odds == known.log_odds  # a gate decides about showing only
    pages = [
        content.decode() for name, content in contents(folder) if re.search(r"pdf!text\d+$", name)
    ]
    assert pages
    assert all(RESEARCH_STAMP in " ".join(page.split()) for page in pages)
    (html,) = folder.glob("*_desc-summary.html")
    assert RESEARCH_STAMP in html.read_text()


# ---------------------------------------------------------------------------- verify


def test_that_verify_passes_on_two_independent_runs(
    planted: Planted, participant: SimulatedParticipant, case_folder: tuple[Case, Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    """`verify` takes up what lies in its folder: the two runs that this module already has."""
    out = tmp_path / "verify"
    shutil.copytree(participant.paths.dataset, out / "seed-1")
    shutil.copytree(case_folder[1], out / "first" / case_folder[1].name)
    shutil.copytree(planted.folder, out / "second" / planted.folder.name)
    run = run_command(tmp_path, "verify", "--out", out)
    assert run.code == 0, run.out + run.error
    assert "All checks passed." in run.out
    assert "FAIL" not in run.out
    assert SIMULATED_STAMP in run.out
    assert "motion" not in run.error  # nothing was computed again
