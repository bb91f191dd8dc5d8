"""A checkpoint of one's own becomes a folder that opens, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from app.core.errors import AppError
from app.core.progress import Progress
from app.models.checkpoint_shapes import expected_shapes
from app.models.checkpoints import open_checkpoint
from app.worker.model_jobs import MODEL_JOBS
from app.worker.own_checkpoints import convert_folder
from tests import hostile_bins as bins

ARRAYS = bins.arrays_of(expected_shapes(bins.CONFIG))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(bins.CONFIG))
    (folder / "mine.bin").write_bytes(bins.sound(ARRAYS))
    return folder


def refused(source: Path, target: Path) -> AppError:
    before = sorted(path.name for path in target.parent.iterdir())
    with pytest.raises(AppError) as caught:
        convert_folder(source, target, Progress())
    assert sorted(path.name for path in target.parent.iterdir()) == before
    return caught.value


def test_that_the_new_folder_opens_with_the_same_numbers(own: Path) -> None:
    with pytest.raises(AppError, match=r"no model.safetensors") as caught:
        open_checkpoint(own)
    assert "models convert DIR --out NEWDIR" in caught.value.hint
    target = own.parent / "new"
    job = MODEL_JOBS["models_convert"]
    answer = job({"path": str(own), "out": str(target)}, Progress())
    assert answer["source_name"] == "mine.bin"
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]
    stored = load_file(target / "model.safetensors")
    assert all((stored[name] == array).all() for name, array in ARRAYS.items())
    assert open_checkpoint(target).weights_sha256 == answer["sha256"]
    assert sorted(path.name for path in own.parent.iterdir()) == ["new", "own"]


def test_that_an_existing_place_is_left_as_it_is(own: Path) -> None:
    (own.parent / "new").mkdir()
    assert "there already" in refused(own, own.parent / "new").message


def test_that_a_folder_without_need_of_it_says_so(own: Path) -> None:
    (own / "model.safetensors").write_bytes(b"x")
    assert "nothing to convert" in refused(own, own.parent / "new").message


def test_that_a_damaged_or_foreign_file_leaves_nothing(own: Path) -> None:
    (own / "mine.bin").write_bytes(b"PK\x03\x04 cut off")
    assert refused(own, own.parent / "new").code == "model.archive"
    (own / "config.json").unlink()
    assert refused(own, own.parent / "new").code == "models.convert"
