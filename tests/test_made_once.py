"""What processes of one run share is made by the first of them and read back by the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.made_once import made_once


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[pytest.TempPathFactory]:
    """The folders of two processes of one run."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    return [
        pytest.TempPathFactory(tmp_path / name, 3, "all", lambda *_: None, _ispytest=True)
        for name in ("popen-gw0", "popen-gw1")
    ]


def test_that_the_second_process_reads_what_the_first_made(
    processes: list[pytest.TempPathFactory],
) -> None:
    made: list[Path] = []

    def make(folder: Path) -> str:
        made.append(folder)
        (folder / "scan").write_text("voxels")
        return "answer"

    found = [made_once(factory, "thing", make) for factory in processes]
    assert found == [("answer", made[0])] * 2
    assert len(made) == 1
    assert (made[0] / "scan").read_text() == "voxels"
    assert made_once(processes[1], "other", lambda folder: folder)[0] != made[0]


def test_that_what_failed_is_made_again_in_an_empty_folder(
    processes: list[pytest.TempPathFactory],
) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        made_once(processes[0], "thing", fail)
    assert made_once(processes[1], "thing", lambda at: sorted(at.iterdir()))[0] == []
