"""The set-up scripts, loaded by file path as main.py does, and a small checkout to set up."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tested_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def setup() -> ModuleType:
    return load(ROOT / "packaging" / "setup_environment.py")


@pytest.fixture
def main_script() -> ModuleType:
    return load(ROOT / "main.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project of one requirement and one extra."""
    root = tmp_path / "check out"  # a space, as in many a user's folder
    (root / "packaging").mkdir(parents=True)
    write_requirements(root, "torch>=2.10,<2.14")
    return root


def write_requirements(root: Path, *requirements: str) -> None:
    wanted = ", ".join(f'"{requirement}"' for requirement in requirements)
    (root / "pyproject.toml").write_text(
        f"[project]\nname = 'x'\ndependencies = [{wanted}]\n"
        "[project.optional-dependencies]\ntest = ['pytest>=8']\n"
    )


@pytest.fixture
def pip_commands(monkeypatch: pytest.MonkeyPatch, setup: ModuleType) -> list[list[str]]:
    """pip's command lines, written down instead of run."""
    commands: list[list[str]] = []

    def note(command: list[str], *_: object) -> tuple[int, list[str]]:
        commands.append(list(command))
        return 0, []

    monkeypatch.setattr(setup.load_script("pip_progress"), "run_pip", note)
    monkeypatch.setattr(setup, "pip_outside", lambda: ["pip"])
    return commands


@pytest.fixture(autouse=True)
def without_ensurepip(monkeypatch: pytest.MonkeyPatch, setup: ModuleType) -> None:
    """As on Debian without python3-venv; it also makes an environment in a tenth of the time."""
    find: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        setup.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "ensurepip" else find(name, *rest),
    )
