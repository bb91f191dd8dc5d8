from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.packaging.conftest import ROOT, load


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["demo"], ("", ["demo"])),
        (["demo", "--torch-index", "URL", "--seed", "4"], ("URL", ["demo", "--seed", "4"])),
        (["--torch-index=file:///w", "demo"], ("file:///w", ["demo"])),
    ],
)
def test_that_the_torch_index_is_taken_out_of_the_arguments(
    main_script: ModuleType, arguments: list[str], expected: tuple[str, list[str]]
) -> None:
    assert main_script.take_torch_index(arguments) == expected


def test_that_a_missing_address_is_a_users_mistake_not_a_traceback(
    main_script: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    assert main_script.main(["demo", "--torch-index"]) == 2
    assert "needs an address" in capsys.readouterr().err


def test_that_an_old_python_is_told_which_one_is_needed(
    main_script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(main_script.sys, "version_info", (3, 9, 2, "final", 0))
    assert main_script.main([]) == 2
    assert "this is 3.9.2" in capsys.readouterr().err


def test_that_help_on_a_bare_machine_installs_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "packaging", tmp_path / "packaging")
    shutil.copy(ROOT / "main.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "--torch-index" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_that_only_the_standard_library_is_used_before_the_environment_stands() -> None:
    # -I -S: no site-packages, no user packages; whatever is not in the library fails.
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import main\n"
        "setup = main.load_setup()\n"
        "for name in ('environment', 'pip_progress', 'system_libraries'):\n"
        "    setup.load_script(name)\n"
        "print('ok')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, ROOT], capture_output=True, text=True
    )
    assert done.stdout.strip() == "ok", done.stderr


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_that_the_virtual_screen_is_on_a_free_display_and_ends() -> None:
    script = load(ROOT / "packaging" / "test.py")
    with script.virtual_screen() as one, script.virtual_screen() as other:
        assert one["DISPLAY"] != other["DISPLAY"]
        socket = Path(f"/tmp/.X11-unix/X{other['DISPLAY'][1:]}")
        assert socket.exists() or not os.access("/tmp/.X11-unix", os.W_OK)
    assert not socket.exists()
