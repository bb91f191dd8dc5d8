"""A bundle as one file: the same bytes there and back, and nothing from a hostile one."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from safetensors.torch import load_file

from app.core.errors import AppError, ModelError, StorageError
from app.core.provenance import file_sha256
from app.models.archive import export_bundle, import_bundle, remove_bundle
from app.models.bundle import load_bundle
from app.models.installed import bundle_folder, installed_models, user_models_path
from app.models.seal import SEAL_FILE
from tests.unit.models.conftest import MiniScan, write_mini
from tests.unit.models.hostile_archives import CARD, HOSTILE, WEIGHTS, Members, packed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    monkeypatch.setenv("NEURORESPONDER_HOME", str(place))
    return place


@pytest.fixture
def installed(home: Path) -> Path:
    """The mini bundle, installed by hand as this user's."""
    return write_mini(user_models_path() / "mini")


@pytest.fixture
def carried(good: Members, home: Path, tmp_path: Path) -> Path:
    """The mini bundle as a file."""
    path = tmp_path / "mini.nrmodel"
    path.write_bytes(packed(good))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Members:
    folder = write_mini(tmp_path_factory.mktemp("good") / "mini")
    return {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)}


def tree(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


def test_that_there_are_many_kinds_of_hostile_archives() -> None:
    assert len(HOSTILE) >= 120


@pytest.mark.parametrize("kind", HOSTILE)
def test_that_a_hostile_archive_installs_nothing_and_says_one_sentence(
    kind: str, good: Members, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "from-somebody.nrmodel"
    path.write_bytes(HOSTILE[kind](good))
    user_models_path().mkdir(parents=True)
    before = tree(tmp_path)
    with pytest.raises(AppError) as caught:
        import_bundle(path)
    assert tree(tmp_path) == before  # nothing was written, not even beside the target
    error = caught.value
    assert isinstance(error, ModelError), kind
    assert error.code.startswith("model.")
    assert "\n" not in error.message
    assert error.message.endswith(".")
    assert error.hint
    assert installed_models() == ("simulated-demo",)


def test_that_a_good_archive_is_installed_and_answers_with_the_same_bits(
    good: Members, home: Path, tmp_path: Path, scan: MiniScan
) -> None:
    path = tmp_path / "mini.nrmodel"
    path.write_bytes(packed(good))
    assert import_bundle(path) == "mini"
    assert installed_models() == ("simulated-demo", "mini")
    folder = bundle_folder("mini")
    assert {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)} == good
    assert sorted(p.name for p in folder.iterdir()) == [CARD, SEAL_FILE, WEIGHTS]
    assert scan.asked(load_bundle("mini")).probability is not None
    with pytest.raises(ModelError) as caught:
        import_bundle(path)
    assert caught.value.code == "model.exists"


def test_that_export_and_import_give_the_same_bytes_and_files(
    installed: Path, tmp_path: Path
) -> None:
    first = export_bundle("mini", tmp_path / "one.nrmodel")
    again = export_bundle("mini", tmp_path / "two.nrmodel")
    assert file_sha256(first) == file_sha256(again)
    before = {path.name: path.read_bytes() for path in installed.iterdir()}
    remove_bundle("mini")
    assert installed_models() == ("simulated-demo",)
    assert import_bundle(first) == "mini"
    after = {path.name: path.read_bytes() for path in bundle_folder("mini").iterdir()}
    assert after.pop(SEAL_FILE)  # written here, never carried
    assert after == before
    assert file_sha256(export_bundle("mini", tmp_path / "three.nrmodel")) == file_sha256(again)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_that_the_delivered_model_can_be_exported_but_not_installed_over(
    home: Path, tmp_path: Path
) -> None:
    path = export_bundle("simulated-demo", tmp_path / "demo.nrmodel")
    with pytest.raises(ModelError) as caught:
        import_bundle(path)
    assert caught.value.code == "model.exists"
    with pytest.raises(ModelError) as caught:
        remove_bundle("simulated-demo")
    assert caught.value.code == "model.delivered"


@pytest.mark.parametrize(
    "model_id", ["../mini", "mini/..", "MINI", "con", "", ".", "..", "a" * 65, "mini\n", "a\0b"]
)
def test_that_an_id_is_a_name_and_never_a_path(installed: Path, model_id: str) -> None:
    with pytest.raises(ModelError) as caught:
        bundle_folder(model_id)
    assert caught.value.code == "model.id"


def test_that_weights_of_others_are_never_exported(installed: Path, tmp_path: Path) -> None:
    card = tomllib.loads((installed / CARD).read_text())
    for field, value in (("source", "installed"), ("licence", "CC BY-NC-ND 4.0")):
        changed = {**card, "encoder": {**card["encoder"], field: value}}
        (installed / CARD).write_text(tomli_w.dumps(changed))
        with pytest.raises(ModelError) as caught:
            export_bundle("mini", tmp_path / "mini.nrmodel")
        assert caught.value.code == "model.third_party"
    assert not list(tmp_path.glob("*.nrmodel"))


def test_that_an_export_that_fails_leaves_the_old_file(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mini.nrmodel"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StorageError):
        export_bundle("mini", target)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.glob("*.part")] == []
    assert [path.name for path in tmp_path.glob(".*.part")] == []
    with pytest.raises(ModelError):
        export_bundle("mini", tmp_path / "mini.zip")


def test_that_a_full_disk_during_import_leaves_nothing(
    good: Members, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mini.nrmodel"
    path.write_bytes(packed(good))
    monkeypatch.setattr(os, "rename", lambda *_paths: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StorageError):
        import_bundle(path)
    assert list(user_models_path().iterdir()) == []


def test_that_leftovers_of_a_killed_import_go(good: Members, home: Path, tmp_path: Path) -> None:
    old, fresh = user_models_path() / ".importing-old", user_models_path() / ".importing-new"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    path = tmp_path / "mini.nrmodel"
    path.write_bytes(packed(good))
    import_bundle(path)
    assert not old.exists()
    assert fresh.exists()
    assert installed_models() == ("simulated-demo", "mini")


def test_that_a_bundle_made_of_arrays_is_what_was_packed(good: Members, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(good[WEIGHTS])
    assert np.isfinite(load_file(path)["head.series"].numpy()).all()


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("calibration", "slope", 1.6),
        ("contract", "series_scale_percent", 0.25),
        ("protocol", "cutoff", 0.4),
    ],
)
def test_that_an_edited_card_of_an_installed_model_is_noticed(
    carried: Path, table: str, field: str, value: float
) -> None:
    name = import_bundle(carried)
    path = user_models_path() / name / "card.toml"
    load_bundle(name)
    card = tomllib.loads(path.read_text())
    assert card[table][field] != value
    card[table][field] = value
    path.write_text(tomli_w.dumps(card))
    with pytest.raises(ModelError, match=r"card\.toml has changed") as caught:
        load_bundle(name)
    assert caught.value.code == "model.hash"
    assert "models import" in caught.value.hint
    remove_bundle(name)
    assert import_bundle(carried) == name


def test_that_a_damaged_seal_is_no_way_round(carried: Path) -> None:
    name = import_bundle(carried)
    (user_models_path() / name / "installed.toml").write_text("card_sha256 = ")
    with pytest.raises(ModelError, match="seal") as caught:
        load_bundle(name)
    assert caught.value.code == "model.hash"
