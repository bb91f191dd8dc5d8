"""`main.py models`: consent first, exit codes, one sentence for each fault."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import models
from app.cli.command import DONE, FAILED, USAGE
from app.cli.main import main
from app.core.errors import DownloadError
from app.models.installed import user_models_path
from app.worker.published import CATALOGUE, find_published, folder_of
from tests.unit.models.conftest import write_mini

A424_FILES = Path(__file__).parents[4] / "shared" / "data" / "a424"


class Work:
    """Stands in for the worker process: answers from a table, notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}

    def __call__(self, name: str, **arguments: Any) -> Any:
        self.asked.append((name, arguments))
        answer = self.answers.get(name, {})
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    made = Work()
    monkeypatch.setattr(models, "work", made)
    return made


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda _self: True})())

    def say(prompt: str) -> str:
        if answer is None:
            raise EOFError
        print(prompt)
        return answer

    monkeypatch.setattr(builtins, "input", say)


def test_that_list_names_every_entry_with_size_licence_and_state(capsys: Any) -> None:
    assert main(["models", "list"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    for entry in CATALOGUE:
        (line,) = [line for line in lines if line.startswith(f"{entry.id} ")]
        assert entry.size_words in line
        assert "not installed" in line


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_that_show_tells_source_hashes_and_terms(entry: Any, capsys: Any) -> None:
    assert main(["models", "show", entry.id.lower()]) == DONE
    text = capsys.readouterr().out
    for words in (entry.source, entry.licence.name, entry.licence.address, entry.reference,
                  entry.who_may_not_use_it, *entry.needs):  # fmt: skip
        assert words in text
    for file in entry.files:
        assert file.url in text
        assert (f"{file.sha256} ({file.sha256_origin})" if file.sha256 else "not known") in text


@pytest.mark.parametrize(
    "words",
    [
        ["install", "nothing"],
        ["show", "../x"],
        ["remove", "nothing"],
        ["verify", "nothing"],
        ["verify", "A424"],
        ["import", "/nowhere/x.bin"],
        ["install"],
        [],
        ["fetch", "A424"],
    ],
)
def test_that_a_wrong_command_line_is_told(words: list[str], work: Work, capsys: Any) -> None:
    assert main(["models", *words]) == USAGE
    assert capsys.readouterr().err
    assert work.asked == []


def test_that_nothing_is_installed_without_consent(
    work: Work, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["models", "install", "old_13M"]) == USAGE  # nobody there to ask
    told = capsys.readouterr()
    assert "NON-COMMERCIAL" in told.out
    assert "--accept-licence" in told.err
    for answer in ("no", "y", "", "YES please", None):
        at_a_terminal(monkeypatch, answer)
        assert main(["models", "install", "old_13M"]) == USAGE
    assert work.asked == []


def test_that_consent_is_given_by_word_or_by_option(
    work: Work, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["models", "install", "old_13M", "--accept-licence"]) == DONE
    at_a_terminal(monkeypatch, " Yes ")
    assert main(["models", "install", "A424"]) == DONE
    assert work.asked == [
        ("models_install", {"id": "old_13M", "accepted": True}),
        ("models_install", {"id": "A424", "accepted": True}),
    ]
    out = capsys.readouterr().out
    assert "NON-COMMERCIAL" in out  # shown all the same
    assert "It needs A424" in out


def test_that_a_failed_download_is_one_message_and_exit_code_1(work: Work, capsys: Any) -> None:
    work.answers["models_install"] = DownloadError("It was cut.", "Again.", code="download.cut")
    assert main(["models", "install", "A424", "--accept-licence"]) == FAILED
    assert capsys.readouterr().err == "error: It was cut.\n       Again.\n"


def test_that_import_recognises_and_then_asks(work: Work, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    work.answers["models_recognise"] = {"id": "vitmae_111M"}
    assert main(["models", "import", str(path)]) == USAGE
    assert [name for name, _ in work.asked] == ["models_recognise"]
    assert main(["models", "import", str(path), "--accept-licence"]) == DONE
    assert main(["models", "import", str(path), "--as", "A424", "--accept-licence"]) == DONE
    imports = [arguments for name, arguments in work.asked if name == "models_import"]
    assert [(a["id"], a["paths"], a["accepted"]) for a in imports] == [
        ("vitmae_111M", [str(path)], True),
        ("A424", [str(path)], True),
    ]


def test_that_another_kind_of_file_goes_to_its_own_importer(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Any] = []
    kind = models.ImportKind(
        "a bundle",
        lambda paths: all(path.suffix == ".other" for path in paths),
        lambda _arguments, paths: taken.extend(paths) or 0,
    )
    monkeypatch.setattr(models, "IMPORTS", (kind, *models.IMPORTS))
    path = tmp_path / "x.other"
    path.write_text("x")
    assert main(["models", "import", str(path)]) == DONE
    assert taken == [path]
    monkeypatch.setattr(models, "IMPORTS", (kind,))
    (tmp_path / "x.bin").write_text("x")
    assert main(["models", "import", str(tmp_path / "x.bin")]) == USAGE


def test_that_verify_fails_where_something_is_damaged(work: Work, capsys: Any) -> None:
    work.answers["bundle_verify"] = {"troubles": {"simulated-demo": ""}}
    assert main(["models", "verify"]) == DONE
    assert "simulated-demo: sound" in capsys.readouterr().out
    folder_of(find_published("A424")).mkdir(parents=True)
    work.answers["models_verify"] = {"troubles": {"A424": "Its file x is missing."}}
    assert main(["models", "verify"]) == FAILED
    assert "DAMAGED. Its file x is missing." in capsys.readouterr().out
    work.answers["models_verify"] = {"troubles": {"A424": ""}}
    assert main(["models", "verify", "a424"]) == DONE


@pytest.mark.skipif(not A424_FILES.is_dir(), reason="the A424 files are not here")
def test_that_the_atlas_goes_in_and_out_through_the_real_worker(capsys: Any) -> None:
    assert main(["models", "import", str(A424_FILES), "--accept-licence"]) == DONE
    assert "A424 is installed, verified" in capsys.readouterr().out
    assert main(["models", "verify"]) == DONE
    assert main(["models", "install", "A424"]) == DONE  # it is there: nothing to accept or fetch
    assert main(["models", "remove", "A424"]) == DONE
    assert not folder_of(find_published("A424")).exists()


def test_that_list_says_of_models_where_they_come_from(capsys: Any) -> None:
    assert main(["models", "list"]) == DONE
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("simulated-demo")]
    assert line.endswith("delivered with the program")


def test_that_a_model_and_an_encoder_are_told_apart(work: Work, capsys: Any) -> None:
    assert main(["models", "show", "simulated-demo"]) == DONE
    assert "Limitations" in capsys.readouterr().out
    assert main(["models", "install", "simulated-demo"]) == DONE
    for words in (["card", "vitmae_111M"], ["export", "VITMAE_111m", "x.nrmodel"]):
        assert main(["models", *words]) == USAGE
        assert "vitmae_111M is an encoder that others published" in capsys.readouterr().err
    assert main(["models", "remove", "nobody"]) == USAGE
    assert "simulated-demo" in capsys.readouterr().err
    assert main(["models"]) == USAGE
    assert "verify, remove" in capsys.readouterr().err
    assert work.asked == []


def test_that_a_changed_model_is_found_by_verify(capsys: Any) -> None:
    folder = write_mini(user_models_path() / "mini")
    assert main(["models", "verify", "mini"]) == DONE
    (folder / "weights.safetensors").write_bytes(b"x")
    assert main(["models", "verify", "mini"]) == FAILED
    told = capsys.readouterr().out
    assert "mini: sound" in told
    assert "mini: DAMAGED. The weights file is not the one" in told
