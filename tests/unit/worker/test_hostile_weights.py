"""Hostile and broken weight files through the real door: one clear sentence, and nothing happens.

All files go through one real worker process, in which an audit hook watches for everything that
a file of numbers must not cause: code, processes, connections, writing outside of the program's
own folder. A canary file would show what the hook cannot see.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import AppError
from app.models.checkpoint_shapes import expected_shapes
from app.worker.process import Worker
from app.worker.protocol import Job
from tests import hostile_bins as bins
from tests import hostile_headers as headers

TABLE = "tests.unit.worker.hostile_jobs:JOBS"
CANARY = f"{tempfile.gettempdir()}/canary-of-hostile-weights-{os.getpid()}"
ARRAYS = bins.arrays_of(expected_shapes(bins.CONFIG))
VIT = bins.arrays_of(expected_shapes(bins.VIT_CONFIG))
CONFIG = json.dumps(bins.CONFIG).encode()
Make = Callable[[Path], list[Path]]


def _bin(content: bytes) -> Make:
    return lambda place: _files(place, {"config.json": CONFIG, "pytorch_model.bin": content})


def _safe(content: bytes) -> Make:
    return lambda place: _files(place, {"config.json": CONFIG, "model.safetensors": content})


def _files(place: Path, contents: dict[str, bytes]) -> list[Path]:
    for name, content in contents.items():
        (place / name).write_bytes(content)
    return [place]


def _odd_files() -> Iterator[tuple[str, Make]]:
    """Things that are no ordinary files, or not the right ones."""
    weights = bins.sound(ARRAYS)
    for name in (
        "training_args.bin", "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth",
        "stats.pkl", "model.pt", "model.pth", "model.ckpt", "model.h5", "model.onnx", "x.npz",
    ):  # fmt: skip
        yield f"only {name}", lambda p, n=name: _files(p, {"config.json": CONFIG, n: weights})
    yield "only training_args.bin, named", lambda p: [
        *_files(p, {"training_args.bin": weights}), p / "training_args.bin"][1:]  # fmt: skip
    yield "no weights", lambda p: _files(p, {"config.json": CONFIG})
    yield "no config", lambda p: _files(p, {"pytorch_model.bin": weights})
    yield "empty folder", lambda p: [p]
    yield (
        "two weights",
        lambda p: _files(p, {"config.json": CONFIG, "a.bin": weights, "b.bin": weights}),
    )
    for name, content in {
        "empty": b"", "one byte": b"P", "a pointer of Git LFS":
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 30471369\n",
        "a web page": b"<!DOCTYPE html><title>Login</title>", "an error in JSON": b'{"error":404}',
        "zeros": bytes(5000), "text": b"hello " * 100,
    }.items():  # fmt: skip
        yield f"bin is {name}", _bin(content)
        yield f"safetensors is {name}", _safe(content)
    yield "a zip called safetensors", _safe(weights)
    yield "too large", lambda p: _sparse(p)

    def linked(target: str) -> Make:
        def make(place: Path) -> list[Path]:
            _files(place, {"config.json": CONFIG})
            (place / "pytorch_model.bin").symlink_to(target)
            return [place]

        return make

    for target in ("/etc/passwd", "/dev/zero", "/dev/random", "/nowhere", "pytorch_model.bin",
                   "/proc/self/mem", "/"):  # fmt: skip
        yield f"a link to {target}", linked(target)

    def pipe(name: str) -> Make:
        def make(place: Path) -> list[Path]:
            _files(place, {"config.json": CONFIG, "pytorch_model.bin": weights})
            (place / name).unlink()
            os.mkfifo(place / name)
            return [place]

        return make

    yield "the weights are a pipe", pipe("pytorch_model.bin")
    yield "the config is a pipe", pipe("config.json")

    def folder(place: Path) -> list[Path]:
        _files(place, {"config.json": CONFIG})
        (place / "pytorch_model.bin").mkdir()
        return [place]

    yield "the weights are a folder", folder
    yield (
        "300 files",
        lambda p: _files(p, {"config.json": CONFIG, **{f"{i}.txt": b"" for i in range(300)}}),
    )
    yield "a name with NUL", lambda p: [p / "a\0b"]
    yield "a name of 300 letters", lambda p: [p / ("x" * 300)]


def _sparse(place: Path) -> list[Path]:
    _files(place, {"config.json": CONFIG, "pytorch_model.bin": b"PK\x03\x04"})
    os.truncate(place / "pytorch_model.bin", 60_000_000)
    return [place]


def _cases() -> dict[str, Make]:
    """Every kind by its name; equal names get a number."""
    cases: dict[str, Make] = {}

    def add(family: str, name: str, make: Make) -> None:
        name = re.sub(r"[^ -~]", "?", f"{family}: {name}")
        assert name not in cases, name
        cases[name] = make

    for produce in (
        lambda: bins.pickles(ARRAYS, CANARY),
        lambda: bins.opcodes(ARRAYS, CANARY),
        lambda: bins.wrappers(ARRAYS, CANARY),
        lambda: bins.containers(ARRAYS),
        lambda: bins.tensors(ARRAYS, VIT),
    ):
        for name, content in produce():
            add("bin", name, _bin(content))
    for name, content in headers.headers(ARRAYS, VIT, CANARY):
        add("safetensors", name, _safe(content))
    for name, content in headers.configs():
        add("config", name, lambda p, c=content: _files(
            p, {"config.json": c, "pytorch_model.bin": bins.sound(ARRAYS)}))  # fmt: skip
    for name, make in _odd_files():
        add("files", name, make)
    return cases


CASES = _cases()
SOUND: dict[str, Make] = {
    "a sound bin": _bin(bins.sound(ARRAYS)),
    "a sound safetensors": _safe(headers.sound(ARRAYS)),
    "a sound bin with unused leftovers": _bin(
        bins.sound({**ARRAYS, "decoder.decoder_pred.weight": ARRAYS["decoder.mask_token"]})
    ),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """How each kind ended, all of them in one child."""
    place = tmp_path_factory.mktemp("hostile")
    (place / "work").mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("NEURORESPONDER_HOME", str(place / "home"))
    patch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    found: dict[str, dict[str, Any]] = {}
    with Worker(TABLE) as worker:
        for number, (name, make) in enumerate([*SOUND.items(), *SOUND.items(), *CASES.items()]):
            folder = place / "work" / str(number)
            folder.mkdir()
            paths = [str(path) for path in make(folder)]
            warm = number >= len(SOUND)  # the first round imports what the door needs
            job = Job("door", {"paths": paths, "watch": warm}, f"job-{number}")
            pid = worker.child_pid
            try:
                found[name] = worker.run(job)
            except AppError as error:  # not from the door: the child failed or died
                found[name] = {"kind": type(error).__name__, "code": error.code, "message": ""}
            found[name]["same_child"] = number == 0 or worker.child_pid == pid
            for path in folder.iterdir():
                if path.is_file() and not path.is_symlink():
                    path.unlink()
        outside = str(place / "outside")
        found["control"] = worker.run(Job("misbehave", {"outside": outside}, "job-control"))
    seen = [path for path in (Path(CANARY), Path.cwd() / bins.CANARY) if path.exists()]
    seen += list(place.rglob(bins.CANARY))
    seen += list(Path(tempfile.gettempdir()).glob(bins.CANARY))
    found["canaries"] = {"found": [str(path) for path in seen]}
    patch.undo()
    return found


@pytest.mark.parametrize("name", SOUND)
def test_that_a_sound_file_is_taken_over(answers: dict[str, dict[str, Any]], name: str) -> None:
    assert answers[name]["code"] == "", answers[name]
    assert answers[name]["installed"]
    assert answers[name]["seen"] == []


@pytest.mark.parametrize("name", CASES)
def test_that_a_hostile_file_is_refused_in_one_sentence_and_does_nothing(
    answers: dict[str, dict[str, Any]], name: str
) -> None:
    answer = answers[name]
    assert answer["kind"] == "ModelError", answer
    assert answer["code"].startswith(("model.", "models.")), answer
    assert answer["seen"] == []
    assert not answer["installed"]
    assert answer["left"] == []
    assert answer["same_child"]
    message = answer["message"]
    assert message.endswith(".")
    assert message.isprintable()
    assert 20 < len(message) < 400
    assert answer["hint"]


def test_that_there_are_enough_kinds_and_no_canary(answers: dict[str, dict[str, Any]]) -> None:
    assert len(CASES) >= 200
    assert answers["canaries"]["found"] == []


def test_that_the_watch_sees_what_it_watches_for(answers: dict[str, dict[str, Any]]) -> None:
    seen = " ".join(answers["control"]["seen"])
    for word in ("open outside", "os.system", "pickle.find_class"):
        assert word in seen
