"""`models card`, `export`, `import`: a readable page, a file and back through a real worker."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from app.cli import model_bundle
from app.cli.main import build_parser, main
from app.cli.predict import request_of
from app.core.errors import ModelError
from app.models.installed import bundle_folder, user_models_path
from app.models.network_statistics import canary  # noqa: F401 - torch is imported before a worker
from tests.unit.models.conftest import write_mini


def test_that_a_card_is_printed_limitations_first(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    model_bundle.add_card_arguments(parser)
    assert model_bundle.run_card(parser.parse_args(["simulated-demo"])) == 0
    text = capsys.readouterr().out
    assert text.index("Limitations") < text.index("What it answers") < text.index("How well")
    for words in (
        "Research use only",
        "Made from simulated people",
        "(95 % interval 0.61 to 0.93)",
        "No control-arm model",
        "Rescue medication",
        "81becbfd9a855f258c4e657765e96d3afbfb97f5767b6363b63b2b2ef94156a7",
    ):
        assert words in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_that_the_command_line_has_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    write_mini(user_models_path() / "mini")
    assert main(["models", "card", "mini"]) == 0
    told = capsys.readouterr().out
    assert "Simulated treatment X" in told
    assert "AUROC" in told
    assert "auroc" not in told
    assert main(["models", "list"]) == 0
    assert "mini: Simulated treatment X" in capsys.readouterr().out
    assert main(["models", "remove", "mini"]) == 0
    assert main(["models", "card", "mini"]) == 1
    assert "No model named 'mini' is installed." in capsys.readouterr().err


def test_that_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="nobody"):
        model_bundle.run_card(Namespace(id="nobody"))


def test_that_a_bundle_goes_out_and_comes_back_through_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    write_mini(user_models_path() / "mini")
    target = tmp_path / "mini.nrmodel"
    parser = ArgumentParser()
    model_bundle.add_export_arguments(parser)
    assert model_bundle.run_export(parser.parse_args(["mini", str(target)])) == 0
    before = {path.name: path.read_bytes() for path in bundle_folder("mini").iterdir()}
    assert model_bundle.is_bundle("mini")
    assert model_bundle.list_lines()[1].startswith("mini: Simulated treatment X; >= 30 % less;")
    assert model_bundle.run_remove("mini") == 0
    assert not model_bundle.is_bundle("mini")
    assert model_bundle.accepts([target])
    assert not model_bundle.accepts([tmp_path / "x.safetensors"])
    assert model_bundle.run_import(Namespace(), [target]) == 0
    after = {path.name: path.read_bytes() for path in bundle_folder("mini").iterdir()}
    assert after.pop("installed.toml")  # the seal, written here
    assert after == before
    assert "Installed: mini." in capsys.readouterr().out
    card = bundle_folder("mini") / "card.toml"
    card.write_text(card.read_text().replace("slope = 0.8", "slope = 8.0"))
    assert "card.toml has changed" in model_bundle.list_lines()[1]
    card.write_text("format = 1")
    assert "UNUSABLE" in model_bundle.list_lines()[1]
    with pytest.raises(ModelError):
        model_bundle.run_remove("simulated-demo")


def test_that_the_question_on_the_command_line_reaches_the_request(tmp_path: Path) -> None:
    scan = tmp_path / "scan.nii"
    scan.write_bytes(b"")
    arguments = build_parser().parse_args(
        ["predict", str(scan), "--out", str(tmp_path), "--drug", "duloxetine", "--arm", "a",
         "--time-point", "week 4", "--responder-definition", ">= 30 %"]
    )  # fmt: skip
    question = request_of(arguments).question
    assert (question.drug, question.arm) == ("duloxetine", "a")
    assert (question.time_point, question.responder_definition) == ("week 4", ">= 30 %")
