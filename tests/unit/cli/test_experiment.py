"""The words of `experiment`: every question is there, mistakes are told before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.command import USAGE, command_line
from app.cli.experiment import KINDS
from app.cli.main import build_parser, main


def test_that_each_question_is_a_word_of_its_own() -> None:
    assert set(KINDS) == {"compare", "ablate", "transfer", "leak", "ds000208"}
    parser = build_parser()
    found = parser.parse_args(
        ["experiment", "ablate", "cohort", "--plan", "p.toml", "--parts", "branches", "mode",
         "--out", "o"]
    )  # fmt: skip
    assert found.parts == ["branches", "mode"] and found.encoder == "simulated-demo"
    found = parser.parse_args(["experiment", "ds000208", "folder", "--out", "o"])
    assert found.repeats == 20 and found.arms == [] and found.prepared is None


def test_that_the_command_can_be_typed_again() -> None:
    words = ["experiment", "leak", "--out", "my folder", "--repeats", "3"]
    assert command_line(words) == "python3 main.py experiment leak --out 'my folder' --repeats 3"


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "nowhere", "--plan", "nothing.toml"],
        ["transfer", "a", "b", "--plans", "a.toml", "b.toml"],
        ["ds000208", "nowhere"],
    ],
)
def test_that_what_is_not_there_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", *words, "--out", "out"]) == USAGE
    assert "There is no" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
