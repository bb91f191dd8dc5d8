"""Conversion keeps every number, and the doors before it meet any bytes with one typed error."""

from __future__ import annotations

import ast
import json
import random
import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.models import conversion
from app.models.checkpoint_archive import check_archive
from app.models.checkpoint_outline import read_outline
from app.models.checkpoint_shapes import UNUSED, expected_shapes, parse_config
from app.models.conversion import convert_checkpoint
from app.models.safetensors_header import read_header
from tests import hostile_bins as bins
from tests import hostile_headers as headers

ROOT = Path(__file__).parents[3]
MINI = ROOT / "tests" / "reference" / "brainlm_mini13m"
GOLDEN = ROOT.parent / "shared" / "data" / "brainlm_golden"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden checkpoints are not here")
CONFIG = json.loads((MINI / "config.json").read_text())


def converted(source: Path, config: dict[str, Any], folder: Path) -> conversion.Converted:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return convert_checkpoint(source, folder, Progress())


def same(path: Path, wanted: dict[str, torch.Tensor]) -> bool:
    found = load_file(path)
    return found.keys() == wanted.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
        for name, tensor in wanted.items()
    )


def tiny() -> dict[str, torch.Tensor]:
    arrays = bins.arrays_of(expected_shapes(bins.CONFIG))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def test_that_every_number_and_the_hash_of_the_source_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "pytorch_model.bin"
    wanted = load_file(MINI / "model.safetensors")
    torch.save(wanted, source)
    made = converted(source, CONFIG, tmp_path / "a")
    assert same(made.path, wanted)
    assert made.family == "13m"
    assert made.source_sha256 == file_sha256(source)
    with safe_open(str(made.path), framework="pt") as opened:
        assert opened.metadata()["source_sha256"] == made.source_sha256
    again = converted(source, CONFIG, tmp_path / "b")
    assert again.sha256 == made.sha256  # the same bytes twice
    straight = converted(MINI / "model.safetensors", CONFIG, tmp_path / "c")
    assert same(straight.path, wanted)
    unused = sum(wanted[name].numel() for name in UNUSED)
    assert made.parameter_count == sum(t.numel() for t in wanted.values()) - unused


@pytest.mark.parametrize(
    "shape_it",
    [
        pytest.param(lambda t: OrderedDict(t), id="ordered"),
        pytest.param(lambda t: {n: torch.nn.Parameter(v) for n, v in t.items()}, id="parameters"),
        pytest.param(lambda t: {n: v.half() for n, v in t.items()}, id="float16"),
        pytest.param(lambda t: {n: v.bfloat16() for n, v in t.items()}, id="bfloat16"),
        pytest.param(lambda t: {n: v.double() for n, v in t.items()}, id="float64"),
        pytest.param(
            lambda t: {
                n: torch.cat([torch.zeros(3), v.ravel()])[3:].view(v.shape) for n, v in t.items()
            },
            id="parts of larger storages",
        ),
        pytest.param(
            lambda t: {n: (v.half() if i % 2 else v) for i, (n, v) in enumerate(t.items())},
            id="mixed widths",
        ),
    ],
)
def test_that_every_usual_way_of_saving_is_read(
    tmp_path: Path, shape_it: Callable[[Any], dict[str, torch.Tensor]]
) -> None:
    wanted = shape_it(tiny())
    source = tmp_path / "pytorch_model.bin"
    torch.save(wanted, source)
    made = converted(source, bins.CONFIG, tmp_path / "out")
    assert same(made.path, {name: value.detach() for name, value in wanted.items()})


def test_that_the_remarks_of_a_modules_state_are_allowed(tmp_path: Path) -> None:
    state = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4)).state_dict()
    assert hasattr(state, "_metadata")
    path = tmp_path / "state.bin"
    torch.save(state, path)
    archive = check_archive(path)
    outline = read_outline(archive.pickle, archive.storage_bytes)
    assert {n: t.shape for n, t in outline.items()} == {n: tuple(t.shape) for n, t in state.items()}


@pytest.mark.parametrize("value", [torch.ones(2, 3).T, torch.ones(1).expand(6)])
def test_that_numbers_that_do_not_lie_in_a_row_are_refused(
    tmp_path: Path, value: torch.Tensor
) -> None:
    path = tmp_path / "state.bin"
    torch.save({"a": value}, path)
    archive = check_archive(path)
    with pytest.raises(ModelError) as caught:
        read_outline(archive.pickle, archive.storage_bytes)
    assert caught.value.code == "model.pickle"


def test_that_an_old_torch_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "pytorch_model.bin"
    torch.save(tiny(), source)
    monkeypatch.setattr(conversion, "OLDEST_TORCH", (99, 0))
    monkeypatch.setattr(torch, "load", lambda *_a, **_k: pytest.fail("it was opened"))
    with pytest.raises(ModelError) as caught:
        converted(source, bins.CONFIG, tmp_path / "out")
    assert caught.value.code == "model.torch"


def test_that_torch_meets_only_files_that_passed_every_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "load", lambda *_a, **k: asked.append(k) or {})
    arrays = bins.arrays_of(expected_shapes(bins.CONFIG))
    for content in dict(bins.pickles(arrays, str(tmp_path / "canary"))).values():
        source = tmp_path / "pytorch_model.bin"
        source.write_bytes(content)
        with pytest.raises(ModelError):
            converted(source, bins.CONFIG, tmp_path / "out")
    assert asked == []
    source.write_bytes(bins.sound(arrays))
    with pytest.raises(ModelError):  # the reader gave something else than was announced
        converted(source, bins.CONFIG, tmp_path / "out")
    assert asked == [{"map_location": "cpu", "weights_only": True, "mmap": True}]
    assert not (tmp_path / "out" / "model.safetensors").exists()


# known checkpoints ------------------------------------------------------------------------------

SIZES: dict[str, dict[str, Any]] = {
    "github_ckpt1400_h256": {"hidden_size": 256, "decoder_hidden_size": 256},
    "old_13M_presumed_h512": {"hidden_size": 512, "decoder_hidden_size": 512},
    "vitmae_111M_presumed": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "patch_size": 16, "image_size": [432, 432]},
    "vitmae_650M": {
        "hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16,
        "intermediate_size": 5120, "patch_size": 14, "image_size": [434, 434]},
}  # fmt: skip
SMALL = {"num_hidden_layers": 4, "num_attention_heads": 4, "decoder_num_attention_heads": 4,
         "intermediate_size": 1024, "decoder_intermediate_size": 1024,
         "num_timepoints_per_voxel": 200, "num_brain_voxels": 424}  # fmt: skip
VIT_DECODER = {"decoder_hidden_size": 512, "decoder_num_hidden_layers": 8,
               "decoder_num_attention_heads": 16, "decoder_intermediate_size": 2048}  # fmt: skip


@needs_golden
@pytest.mark.parametrize("name", SIZES)
def test_that_the_published_key_lists_are_those_that_are_demanded(name: str) -> None:
    vit = name.startswith("vit")
    base = json.loads((GOLDEN / ("vitmae_small" if vit else "mini13m") / "config.json").read_text())
    config = {**base, **(VIT_DECODER if vit else SMALL), **SIZES[name]}
    rows = [row.split("\t") for row in (GOLDEN / "keys" / f"{name}.tsv").read_text().splitlines()]
    listed = {row[0]: tuple(ast.literal_eval(row[1])) for row in rows}
    demanded = expected_shapes(config)
    assert {n: s for n, s in listed.items() if vit or n not in UNUSED} == demanded


@needs_golden
@pytest.mark.parametrize("name", ["mini13m", "vitmae_small"])
def test_that_bins_of_the_published_kind_are_converted(tmp_path: Path, name: str) -> None:
    shutil.copyfile(GOLDEN / name / "config.json", tmp_path / "config.json")
    made = convert_checkpoint(GOLDEN / name / "pytorch_model.bin", tmp_path, Progress())
    wanted = load_file(GOLDEN / name / "model.safetensors")
    assert same(made.path, wanted)
    used = [t.numel() for n, t in wanted.items() if name.startswith("vit") or n not in UNUSED]
    assert made.parameter_count == sum(used)


# any bytes --------------------------------------------------------------------------------------


def mutated(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(changed))
        kind = rng.randrange(4)
        if kind < 2:
            changed[place] = rng.randrange(256)
        elif kind == 2:
            changed[place:place] = rng.randbytes(rng.randrange(1, 9))
        else:
            del changed[place : place + rng.randrange(1, 9)]
    return bytes(changed)


@pytest.mark.parametrize("door", ["archive", "outline", "header", "config"])
def test_that_any_change_of_any_byte_is_accepted_or_one_typed_error(
    tmp_path: Path, door: str
) -> None:
    rng = random.Random(5)
    arrays = {n: a[:3] for n, a in bins.arrays_of(expected_shapes(bins.CONFIG)).items()}
    sizes = {str(i): a.nbytes for i, a in enumerate(arrays.values())}
    path = tmp_path / "file"

    def archive(content: bytes) -> None:
        path.write_bytes(content)
        check_archive(path)

    def header(content: bytes) -> None:
        path.write_bytes(content)
        read_header(path)

    doors: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
        "archive": (bins.sound(arrays), archive),
        "outline": (
            bins.whole(bins.table(bins.items_of(arrays))),
            lambda content: read_outline(content, sizes),
        ),
        "header": (headers.sound(arrays), header),
        "config": (bins.config_bytes(), lambda content: expected_shapes(parse_config(content))),
    }
    sound, enter = doors[door]
    enter(sound)
    told: list[ModelError] = []
    for _ in range(400):
        try:
            enter(mutated(rng, sound))
        except ModelError as error:
            told.append(error)
    assert len(told) > 200
    assert all(error.message.isprintable() and error.hint for error in told)
