"""Installing is all or nothing, needs consent, and is noticed when it is tampered with."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from app.core.download import download
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from app.core.published import Licence, Published, PublishedFile
from app.models import checkpoints
from app.models.checkpoint_shapes import expected_shapes
from app.worker import installing, published
from app.worker.carried_in import import_files, recognise
from app.worker.installing import arriving, remove, verify
from app.worker.process import Worker
from app.worker.protocol import Job
from app.worker.published import CATALOGUE, find_published, folder_of, incoming_folder, state_of
from tests import hostile_bins as bins
from tests.local_server import LocalServer, Served, local_server

ARRAYS = bins.arrays_of(expected_shapes(bins.CONFIG))
CONFIG = json.dumps(bins.CONFIG).encode()
WEIGHTS = bins.sound(ARRAYS)
A424_FILES = Path(__file__).parents[4] / "shared" / "data" / "a424"
needs_a424 = pytest.mark.skipif(not A424_FILES.is_dir(), reason="the A424 files are not here")


def install(entry: Published, progress: Progress, *, accepted: bool) -> dict[str, Any]:
    """As the program does it, without waiting between two tries."""
    quick = partial(download, pause_s=0.01)
    return installing.install(entry, progress, accepted=accepted, fetch=quick)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def running_server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


@pytest.fixture
def server(running_server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    running_server.forget()
    running_server.paths["/config.json"] = Served(CONFIG)
    running_server.paths["/pytorch_model.bin"] = Served(WEIGHTS)
    return running_server


def entry_at(server: LocalServer | None, **weights: Any) -> Published:
    def url(name: str) -> str:
        return server.url(f"/{name}") if server else f"https://example.org/{name}"

    facts: dict[str, Any] = {
        "largest_bytes": 200_000,
        "size_bytes": len(WEIGHTS),
        "sha256": sha256(WEIGHTS),
        "sha256_origin": "pinned",
        **weights,
    }
    return Published(
        id="tiny",
        kind="encoder",
        title="A tiny one",
        source="made here",
        files=(
            PublishedFile("config.json", url("config.json"), 65_536),
            PublishedFile("pytorch_model.bin", url("pytorch_model.bin"), **facts),
        ),
        licence=Licence("own", "Do what you like.", "https://example.org"),
        who_may_not_use_it="Nobody.",
        recognised_by=(("family", "13m"), ("hidden_size", 2)),
    )


def carried(folder: Path, **contents: bytes) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in {"config.json": CONFIG, "pytorch_model.bin": WEIGHTS, **contents}.items():
        (folder / name).write_bytes(content)
    return [folder]


def nothing_there(entry: Published) -> bool:
    """Neither the folder nor a temporary one; the lock and a kept download may be."""
    return not folder_of(entry).exists() and not list(folder_of(entry).parent.glob(".tmp-*"))


def test_that_an_install_lays_out_config_weights_and_record(server: LocalServer) -> None:
    entry = entry_at(server)
    record = install(entry, Progress(), accepted=True)
    folder = folder_of(entry)
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "model.safetensors", "installed.toml"}  # fmt: skip
    stored = load_file(folder / "model.safetensors")
    assert set(stored) == set(ARRAYS)
    assert all((stored[name] == array).all() for name, array in ARRAYS.items())
    assert record == state_of(entry).record
    assert record["source"]["pytorch_model.bin"]["sha256"] == sha256(WEIGHTS)
    assert record["source"]["pytorch_model.bin"]["check"] == "pinned"
    assert record["source"]["config.json"]["check"] == "unknown"
    assert record["licence"]["may_be_passed_on"] is False
    assert state_of(entry).words == "installed, unverified"
    assert verify(entry, Progress()) == ""
    assert not incoming_folder(entry).exists()
    asked = len(server.asked)
    install(entry, Progress(), accepted=True)
    assert len(server.asked) == asked  # it is there


def test_that_without_consent_nothing_is_asked_of_the_server(
    server: LocalServer, tmp_path: Path
) -> None:
    entry = entry_at(server)
    for attempt in (
        lambda: install(entry, Progress(), accepted=False),
        lambda: import_files(carried(tmp_path / "usb"), Progress(), accepted=False, entry=entry),
    ):
        with pytest.raises(AppError) as caught:
            attempt()
        assert caught.value.code == "models.licence"
    assert server.asked == []
    assert not folder_of(entry).parent.exists()


def test_that_a_cut_download_is_resumed_and_whole_files_are_not_fetched_again(
    server: LocalServer,
) -> None:
    entry = entry_at(server)
    server.paths["/pytorch_model.bin"].cut_after = [30_000, 0, 0, 0]
    with pytest.raises(AppError) as caught:
        install(entry, Progress(), accepted=True)
    assert caught.value.code == "download.cut"
    assert nothing_there(entry)
    assert state_of(entry).partial_bytes >= 30_000
    assert "download kept" in state_of(entry).words
    install(entry, Progress(), accepted=True)
    assert server.asked[-1][1]["range"] == "bytes=30000-"
    assert state_of(entry).installed


def test_that_a_cancel_is_heard_at_a_silent_server_and_the_part_is_taken_up(
    server: LocalServer, tmp_path: Path
) -> None:
    served = server.paths["/pytorch_model.bin"] = Served(WEIGHTS, chunk_pause_s=30.0)
    url = server.url("/pytorch_model.bin")
    job = Job("fetch", {"url": url, "folder": str(tmp_path)}, "job-1")
    part = tmp_path / "weights.bin.partial"
    with Worker("tests.unit.worker.fake_jobs:JOBS") as worker:
        ended: list[AppError] = []

        def work() -> None:
            try:
                worker.run(job)
            except AppError as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while not (part.exists() and part.stat().st_size):
            thread.join(0.02)
            assert thread.is_alive()
        worker.cancel("job-1")
        thread.join(20)
        assert [type(error) for error in ended] == [CancelledError]
        kept = part.stat().st_size
        server.stopping.set()  # the silent answer ends
        served.chunk_pause_s = 0.0
        answer = worker.run(replace(job, job_id="job-2"))
    server.stopping.clear()
    assert answer["sha256"] == sha256(WEIGHTS)
    assert server.asked[-1][1]["range"] == f"bytes={kept}-"


def test_that_a_cancel_while_checking_keeps_the_download(server: LocalServer) -> None:
    entry = entry_at(server)
    stage = ""

    def note(event: Any) -> None:
        nonlocal stage
        stage = event.stage

    with pytest.raises(CancelledError):
        install(entry, Progress(note, lambda: stage == "Check"), accepted=True)
    assert nothing_there(entry)
    fetched = [path for path, _ in server.asked].count("/pytorch_model.bin")
    install(entry, Progress(), accepted=True)
    assert [path for path, _ in server.asked].count("/pytorch_model.bin") == fetched


@pytest.mark.parametrize(
    ("weights", "served", "code"),
    [
        ({"sha256": "0" * 64}, WEIGHTS, "download.hash"),
        ({"sha256": "0" * 64, "sha256_origin": "reported"}, WEIGHTS, "download.hash"),
        ({"sha256": "", "size_bytes": None}, WEIGHTS[:-1], "model.archive"),
        ({"sha256": "", "size_bytes": None}, bins.sound(bins.arrays_of({"w": (2,)})), "model.keys"),
    ],
)
def test_that_what_fails_a_check_is_not_kept(
    server: LocalServer, weights: dict[str, Any], served: bytes, code: str
) -> None:
    entry = entry_at(server, **weights)
    server.paths["/pytorch_model.bin"] = Served(served)
    with pytest.raises(AppError) as caught:
        install(entry, Progress(), accepted=True)
    assert caught.value.code == code
    assert nothing_there(entry)
    assert not (incoming_folder(entry) / "pytorch_model.bin").exists()


def test_that_an_import_leaves_the_given_files_alone_and_knows_the_hash(tmp_path: Path) -> None:
    entry = entry_at(None)
    paths = carried(tmp_path / "usb")
    record = import_files(paths, Progress(), accepted=True, entry=entry)
    assert record["how"] == "import"
    assert record["source"]["pytorch_model.bin"]["check"] == "pinned"
    assert (paths[0] / "pytorch_model.bin").read_bytes() == WEIGHTS
    other = replace(entry, files=(entry.files[0], replace(entry.files[1], sha256="0" * 64)))
    remove(entry)
    with pytest.raises(AppError) as caught:
        import_files(paths, Progress(), accepted=True, entry=other)
    assert caught.value.code == "models.hash"
    assert nothing_there(entry)


def test_that_other_weights_never_replace_what_is_installed(tmp_path: Path) -> None:
    entry = entry_at(None, sha256="", sha256_origin="unknown")
    record = import_files(carried(tmp_path / "usb"), Progress(), accepted=True, entry=entry)
    assert import_files([tmp_path / "usb"], Progress(), accepted=True, entry=entry) == record
    changed = {name: array + 1 for name, array in ARRAYS.items()}
    other = carried(tmp_path / "other", **{"pytorch_model.bin": bins.sound(changed)})
    with pytest.raises(AppError, match="installed already") as caught:
        import_files(other, Progress(), accepted=True, entry=entry)
    assert "remove it first" in caught.value.hint
    assert state_of(entry).record == record
    assert verify(entry, Progress()) == ""


def test_that_a_killed_import_is_no_kept_download(server: LocalServer) -> None:
    entry = entry_at(server, sha256="", sha256_origin="unknown")
    incoming = incoming_folder(entry)
    incoming.mkdir(parents=True)
    (incoming / "pytorch_model.bin").write_bytes(WEIGHTS[:-9])
    (incoming / published.IMPORT_MARK).touch()
    assert state_of(entry).words == "an unfinished import"
    install(entry, Progress(), accepted=True)
    assert verify(entry, Progress()) == ""
    assert not incoming.exists()


def test_that_a_safetensors_copy_counts_as_unverified(tmp_path: Path) -> None:
    entry = entry_at(None)
    install_from = carried(tmp_path / "usb")
    import_files(install_from, Progress(), accepted=True, entry=entry)
    copy = carried(tmp_path / "copy")
    (copy[0] / "pytorch_model.bin").unlink()
    made = folder_of(entry) / "model.safetensors"
    (copy[0] / made.name).write_bytes(made.read_bytes())
    remove(entry)
    record = import_files(copy, Progress(), accepted=True, entry=entry)
    assert record["source"]["model.safetensors"]["check"] == "unknown"
    assert state_of(entry).trust == "unverified"


def test_that_the_pickles_beside_published_weights_are_left_alone(tmp_path: Path) -> None:
    bomb = b"cos\nsystem\n(S'touch canary'\ntR."
    names = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt")
    paths = carried(tmp_path / "usb", **dict.fromkeys(names, bomb), **{"trainer_state.json": b"{}"})
    entry = entry_at(None)
    import_files(paths, Progress(), accepted=True, entry=entry)
    assert {p.name for p in folder_of(entry).iterdir()} == {
        "config.json", "model.safetensors", "installed.toml"}  # fmt: skip


def test_that_links_of_a_download_cache_are_followed(tmp_path: Path) -> None:
    entry = entry_at(None)
    carried(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / "snapshot" / name).symlink_to(tmp_path / "blobs" / name)
    import_files([tmp_path / "snapshot"], Progress(), accepted=True, entry=entry)
    assert not (folder_of(entry) / "config.json").is_symlink()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda f: (f / "model.safetensors").unlink(), id="missing"),
        pytest.param(lambda f: (f / "config.json").write_bytes(b"{}"), id="other size"),
        pytest.param(lambda f: (f / "config.json").write_bytes(b" " * len(CONFIG)), id="changed"),
        pytest.param(lambda f: (f / "installed.toml").unlink(), id="no record"),
        pytest.param(lambda f: (f / "installed.toml").write_bytes(b"id = "), id="cut record"),
        pytest.param(
            lambda f: (f / "installed.toml").write_text('id = "tiny"\nfiles = 3\nsource = 4\n'),
            id="odd record",
        ),
        pytest.param(lambda f: (f / "extra.py").write_text("x"), id="a file more"),
    ],
)
def test_that_verify_sees_what_was_changed(tmp_path: Path, spoil: Any) -> None:
    entry = entry_at(None)
    import_files(carried(tmp_path / "usb"), Progress(), accepted=True, entry=entry)
    assert verify(entry, Progress()) == ""
    spoil(folder_of(entry))
    words = verify(entry, Progress())
    assert words.endswith(".")
    assert "\n" not in words


def test_that_a_damaged_installation_is_replaced_by_the_next(tmp_path: Path) -> None:
    entry = entry_at(None)
    import_files(carried(tmp_path / "usb"), Progress(), accepted=True, entry=entry)
    (folder_of(entry) / "config.json").write_bytes(b"{}")
    assert state_of(entry).words == "damaged"
    import_files([tmp_path / "usb"], Progress(), accepted=True, entry=entry)
    assert verify(entry, Progress()) == ""


def test_that_a_full_disk_leaves_nothing_and_the_next_try_works(tmp_path: Path) -> None:
    entry = entry_at(None)
    paths = carried(tmp_path / "usb")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (100, 50_000, len(WEIGHTS) - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            with pytest.raises(AppError) as caught:
                import_files(paths, Progress(), accepted=True, entry=entry)
            assert caught.value.code == "study.no_space"
            assert nothing_there(entry)
            assert list(incoming_folder(entry).iterdir()) == []  # no copy takes up room
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    import_files(paths, Progress(), accepted=True, entry=entry)
    assert verify(entry, Progress()) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a feature of POSIX")
def test_that_a_kill_at_any_step_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch's threads do not survive a fork; the trial pass writes nothing.
    monkeypatch.setattr(checkpoints, "check_trial", lambda _module: None)
    entry = entry_at(None)
    paths = carried(tmp_path / "usb")
    import_files(paths, Progress(), accepted=True, entry=entry)  # everything is imported now
    remove(entry)
    killed = 0
    for count in range(1, 200):
        pid = os.fork()
        if pid == 0:
            _die_at(count)
            import_files(paths, Progress(), accepted=True, entry=entry)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        there = folder_of(entry).exists()
        assert not there or verify(entry, Progress()) == ""
        if os.waitstatus_to_exitcode(status) == 0:
            break
        killed += 1
        if there:
            remove(entry)
    assert killed > 5
    assert there
    assert not list(folder_of(entry).parent.glob(".tmp-*"))  # the next one cleans up


def _die_at(count: int) -> None:
    """In a forked child: end at the n-th call that changes the disk."""
    left = count

    def wrapped(real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)
            return real(*arguments, **options)

        return call

    for name in ("rename", "replace", "fsync", "mkdir", "unlink", "rmdir", "write"):
        setattr(os, name, wrapped(getattr(os, name)))


def test_that_two_at_once_are_refused(tmp_path: Path) -> None:
    entry = entry_at(None)
    with arriving(entry), pytest.raises(AppError) as caught:
        import_files(carried(tmp_path / "usb"), Progress(), accepted=True, entry=entry)
    assert caught.value.code == "models.busy"


def test_that_too_little_space_is_told_before_anything_is_fetched(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "free_bytes", lambda _folder: 1000)
    with pytest.raises(AppError) as caught:
        install(entry_at(server), Progress(), accepted=True)
    assert caught.value.code == "models.no_space"
    assert server.asked == []


def test_that_remove_takes_the_downloads_too(server: LocalServer) -> None:
    entry = entry_at(server)
    server.paths["/pytorch_model.bin"].cut_after = [30_000, 0, 0, 0]
    with pytest.raises(AppError):
        install(entry, Progress(), accepted=True)
    assert remove(entry)
    assert not incoming_folder(entry).exists()
    assert not remove(entry)


# the catalogue -----------------------------------------------------------------------------


def test_that_every_entry_is_pinned_and_says_its_terms() -> None:
    assert [entry.id for entry in CATALOGUE] == [
        "checkpoint-1400", "old_13M", "vitmae_111M", "vitmae_650M", "A424"]  # fmt: skip
    for entry in CATALOGUE:
        assert entry.licence.text
        assert entry.who_may_not_use_it
        assert find_published(entry.id.upper()) is entry
        assert folder_of(entry).name == entry.id
        for file in entry.files:
            assert file.url.startswith("https://")
            commits = [part for part in file.url.split("/") if len(part) == 40]
            assert len(commits) == 1
            assert int(commits[0], 16) > 0
            assert bool(file.sha256) == (file.sha256_origin != "unknown")
            assert file.name in ("config.json", "pytorch_model.bin") or entry.kind == "atlas"
        if entry.kind == "encoder":
            assert entry.licence.non_commercial
            assert entry.needs == ("A424",)


def test_that_a_reported_hash_is_told_apart_from_a_pinned_one() -> None:
    pilot = find_published("checkpoint-1400")
    assert [file.sha256_origin for file in pilot.files] == ["pinned", "reported"]
    checks = ("pinned", "reported")
    state = published.InstalledState("checkpoint-1400", True, checks=checks)
    assert state.words == "installed, as reported"
    assert published.InstalledState("A424", True, checks=("pinned",) * 3).trust == "verified"
    assert "not verified" in published.trust_words("reported")
    assert "unverified" in published.trust_words("nonsense")


@pytest.mark.parametrize("name", ["", "nothing", "../A424", "A424/..", "a" * 5000])
def test_that_an_unknown_name_is_one_error(name: str) -> None:
    with pytest.raises(AppError) as caught:
        find_published(name)
    assert caught.value.code == "models.unknown"


@pytest.mark.parametrize(
    ("entry_id", "changes"),
    [
        ("checkpoint-1400", {"hidden_size": 256}),
        ("old_13M", {"hidden_size": 512}),
        ("vitmae_111M", {"hidden_size": 768, "num_hidden_layers": 12}),
        ("vitmae_650M", {"hidden_size": 1280, "num_hidden_layers": 32, "patch_size": 14}),
    ],
)
def test_that_a_config_is_recognised(
    tmp_path: Path, entry_id: str, changes: dict[str, Any]
) -> None:
    base = bins.VIT_CONFIG if entry_id.startswith("vit") else bins.CONFIG
    fields = {**base, "num_hidden_layers": 4, "decoder_num_hidden_layers": 2, **changes}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fields))
    assert recognise([path]).id == entry_id


# the atlas ------------------------------------------------------------------------------------


@needs_a424
def test_that_the_real_atlas_is_imported_whole_and_verified() -> None:
    entry = find_published("A424")
    assert recognise(list(A424_FILES.iterdir())) is entry
    record = import_files([A424_FILES], Progress(), accepted=True)
    assert {p.name for p in folder_of(entry).iterdir()} == {
        "A424+2mm.nii.gz", "A424_Coordinates.dat", "A424.dat", "installed.toml"}  # fmt: skip
    assert record["atlas"]["parcels"] == 424
    assert state_of(entry).words == "installed, verified"
    assert verify(entry, Progress()) == ""


@needs_a424
@pytest.mark.parametrize("name", ["A424+2mm.nii.gz", "A424_Coordinates.dat", "A424.dat"])
def test_that_a_changed_file_of_the_atlas_is_refused(tmp_path: Path, name: str) -> None:
    entry = find_published("A424")
    for file in entry.files:
        content = (A424_FILES / file.name).read_bytes()
        if file.name == name:
            content = content[:-1] + bytes([content[-1] ^ 1])
        (tmp_path / file.name).write_bytes(content)
    with pytest.raises(AppError) as caught:
        import_files([tmp_path], Progress(), accepted=True)
    assert caught.value.code == "models.hash"
    assert nothing_there(entry)


def test_that_a_missing_file_of_the_atlas_is_named(tmp_path: Path) -> None:
    (tmp_path / "A424.dat").write_bytes(b"x")
    with pytest.raises(AppError) as caught:
        import_files([tmp_path], Progress(), accepted=True)
    assert caught.value.code == "models.import"
    assert "A424+2mm.nii.gz" in caught.value.message
