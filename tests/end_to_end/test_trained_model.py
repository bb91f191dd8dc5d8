"""A labelled cohort becomes a model that answers for a new scan, by command line alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from app.cohort.learn.plan import parse_plan, plan_toml
from app.connectome.atlases import load_atlas
from app.core.provenance import array_sha256
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.series_encoder import restart
from app.preprocessing.quality import LIMITS
from app.study.case_store import read_case
from tests.end_to_end.command_line import CommandLine, command_line
from tests.unit.cohort.learn.small import plan_values

ROOT = Path(__file__).resolve().parents[2]
COUNT, FRAMES, SECONDS = 36, 204, 2.0
COUPLED = slice(0, 60)  # parcels that go together in responders
ENCODER = BrainLMConfig(
    hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
    decoder_hidden_size=8, num_brain_voxels=426, num_timepoints_per_voxel=100,
    timepoint_patching_size=50, conv_kernel_size=5,
)  # fmt: skip


def series_of(number: int, responder: bool) -> np.ndarray:
    """(frame, parcel) percent; responders share a slow wave in the coupled parcels."""
    rng = np.random.default_rng([5, number])
    series = 0.6 * rng.standard_normal((FRAMES, 426))
    series += 0.3 * rng.standard_normal((FRAMES, 1))
    wave = np.cumsum(rng.standard_normal((FRAMES, 1)), axis=0)
    wave = (wave - wave.mean()) / wave.std()
    series[:, COUPLED] += (0.5 if responder else 0.15) * wave
    return (series - series.mean(0)).astype(np.float32)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Iterator[CommandLine]:
    """A command line with a home of its own, in which the encoder is installed."""
    root = tmp_path_factory.mktemp("trained")
    with command_line(root) as made:
        made.worker.start()
        make_place(root)
        yield made


def make_place(root: Path) -> None:
    """A cohort at parcel level, a plan, a tiny encoder, and a newcomer's series as a file."""
    prepared = root / "cohort" / "prepared"
    prepared.mkdir(parents=True)
    rows = ["participant_id\tage\tsex\tsite\tresponder"]
    rng = np.random.default_rng(3)
    for number in range(COUNT):
        series = series_of(number, number % 2 == 0)
        matrix = np.corrcoef(series.T).astype(np.float32)
        np.fill_diagonal(matrix, 0.0)
        age, sex = int(rng.integers(40, 70)), "FM"[rng.integers(2)]
        np.savez(
            prepared / f"c_sub-{number:03d}.npz", cleaned=series, matrix=matrix,
            good_frames=np.ones(FRAMES, bool), repetition_time_s=SECONDS, mean_fd_mm=0.1,
            verdict="pass", scan_sha256=array_sha256(series), age_years=float(age), sex=sex,
            baseline_pain=6.0, site="one", simulated=True,
            atlas_sha256=load_atlas("HCPEx").sha256,
        )  # fmt: skip
        rows.append(f"sub-{number:03d}\t{age}\t{sex}\tone\t{int(number % 2 == 0)}")
    (root / "cohort" / "participants.tsv").write_text("\n".join(rows) + "\n")
    model = BrainLM(ENCODER, with_decoder=True)
    restart(model, 8)
    folder = root / "home" / "data" / "encoders" / "tiny"
    folder.mkdir(parents=True)
    save_file(model.state_dict(), str(folder / "model.safetensors"))
    config = ENCODER.as_mapping() | {
        "architectures": ["BrainLMForPretraining"], "model_type": "brainlm_mae",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    for headline in ("linear", "frozen-cls", "fmm-tc"):
        (root / f"{headline}.toml").write_text(plan_toml(parse_plan(_plan(headline))))
    _newcomer(root / "scan")


def _plan(headline: str) -> dict:
    return plan_values(
        outcome={"column": "responder", "kind": "label", "baseline_column": None, "lowest": None,
                 "highest": None},
        responder={"secondary": []},
        models={"headline": headline, "rivals": ["age"]},
        protocol={"repeats": 1, "outer_folds": 2, "inner_folds": 2, "permutations": 0, "refits": 2,
                  "learning_curve": False, "leave_one_site_out": False, "bootstrap_repeats": 100},
    )  # fmt: skip


def _newcomer(folder: Path) -> None:
    folder.mkdir()
    name = "sub-900_task-rest_atlas-HCPEx_stat-mean_timeseries"
    rows = ["\t".join(load_atlas("HCPEx").parcel_names)]
    rows += ["\t".join(f"{float(v):.6f}" for v in row) for row in series_of(900, True)]
    (folder / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    stated = {
        limit.name: limit.passes
        for limit in LIMITS
        if limit.name not in ("mean_fd_power_mm", "flagged_percent", "usable_time_s", "frames")
    }
    facts = {
        "RepetitionTime": SECONDS, "CleaningPreset": "simple-highpass", "Units": "percent",
        "QualityMetrics": stated, "SimulatedBy": "NeuroResponder app.simulation",
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(facts))
    moved = "framewise_displacement\n" + "\n".join(["n/a", *["0.1"] * (FRAMES - 1)]) + "\n"
    (folder / "sub-900_task-rest_desc-confounds_timeseries.tsv").write_text(moved)


def _words(place: Path, headline: str) -> list[str | Path]:
    return [
        "train", place / "cohort", "--plan", place / f"{headline}.toml", "--id", f"my-{headline}",
        "--encoder", "tiny", "--normalisation", "demean", "--out", place / headline,
    ]  # fmt: skip


def _process(place: Path, words: Sequence[str | Path]) -> subprocess.Popen[str]:
    """`main.py` in a process of its own, with the same home."""
    home = str(place / "home")
    return subprocess.Popen(
        [sys.executable, "main.py", *(str(word) for word in words)], cwd=ROOT, text=True,
        env={**os.environ, "NEURORESPONDER_HOME": home}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _killed_and_resumed(place: Path, headline: str) -> str:
    """What the second run says; the first is killed at its first refit, and its files stay."""
    killed = _process(place, _words(place, headline))
    try:
        deadline = time.monotonic() + 180
        while not list((place / headline).rglob("private/refits/*/*.npz")):
            assert time.monotonic() < deadline
            assert killed.poll() is None, killed.communicate()[0][-3000:]
            time.sleep(0.05)
    finally:
        killed.kill()
        killed.communicate()
    kept = {p: p.stat().st_mtime_ns for p in (place / headline).rglob("private/*/*/*.npz")}
    assert len(kept) > 1
    assert not (place / headline / f"my-{headline}.nrmodel").exists()
    again = _process(place, _words(place, headline))
    told, _ = again.communicate(timeout=240)
    assert again.returncode == 0, told[-3000:]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    return told


@pytest.mark.timeout(300)
@pytest.mark.parametrize("headline", ["linear", "frozen-cls", "fmm-tc"])
def test_that_a_cohort_becomes_a_model_that_answers_for_a_newcomer(
    line: CommandLine, headline: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place = line.home.parent
    monkeypatch.setenv("NEURORESPONDER_HOME", str(line.home))
    if headline == "fmm-tc":
        told = _killed_and_resumed(place, headline)
    else:
        trained = line.run(capsys, *_words(place, headline))
        assert trained.code == 0, trained.error[-3000:]
        told = trained.out
    out = place / headline
    assert (out / "evaluation" / "report" / "report.pdf").is_file()
    assert "AUROC" in told and f"models import {out / f'my-{headline}.nrmodel'}" in told
    imported = line.run(capsys, "models", "import", out / f"my-{headline}.nrmodel")
    assert imported.code == 0, imported.error[-3000:]
    scan = next((place / "scan").glob("*HCPEx*.tsv"))
    asked = line.run(
        capsys, "predict", scan, "--model", f"my-{headline}", "--out", out, "--no-attribution"
    )
    assert asked.code == 0, asked.error[-3000:]
    folder = next(path.parent for path in out.glob("*/case.json"))
    prediction = read_case(folder).prediction
    assert prediction is not None
    record = json.loads((folder / "case.json").read_text())
    if headline == "frozen-cls":  # an encoder that was never trained has nothing to say
        assert "has not earned an individual number" in told
        assert "Withheld" in asked.out and "conformal" not in asked.out.lower()
        assert prediction.conformal is None and record["conformal_set"] is None
        return
    assert prediction.probability is not None and prediction.probability > 0.5, asked.out
    assert "models refitted on resampled training people" in asked.out
    assert "Second check (conformal set, 90 % level): scores like this are " in asked.out
    assert record["conformal_set"]["level"] == 0.9
    if headline == "linear":
        return  # one explanation is enough: it is the slowest command
    explained = line.run(capsys, "explain", folder, "--no-pdf")
    assert explained.code == 0, explained.error[-3000:]
    assert "Largest connections" in explained.out
