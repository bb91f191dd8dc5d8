from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.packaging.conftest import write_requirements

ROOT = Path(__file__).resolve().parents[3]


def test_that_a_bare_machine_gets_an_environment_without_ensurepip(
    setup: ModuleType, checkout: Path, pip_commands: list[list[str]], capsys: pytest.CaptureFixture
) -> None:
    env = setup.environment(root=checkout)
    assert not env.is_ready()

    setup.ensure(env)

    assert env.is_ready()
    prefix = subprocess.run(
        [env.python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True
    )
    assert Path(prefix.stdout.strip()) == env.folder
    [command] = pip_commands  # one pip command, told where to install
    assert command[command.index("--python") + 1] == str(env.python)
    assert command[-1] == "torch>=2.10,<2.14"
    assert "--torch-index" in capsys.readouterr().out


def test_that_the_second_start_installs_nothing(
    setup: ModuleType, checkout: Path, pip_commands: list[list[str]]
) -> None:
    setup.ensure(setup.environment(root=checkout))
    pip_commands.clear()
    started_s = time.monotonic()
    setup.ensure(setup.environment(root=checkout))
    assert time.monotonic() - started_s < 0.5
    assert pip_commands == []


def test_that_an_edited_list_and_an_extra_are_completed_and_kept(
    setup: ModuleType, checkout: Path, pip_commands: list[list[str]]
) -> None:
    setup.ensure(setup.environment(root=checkout))
    write_requirements(checkout, "torch>=2.10,<2.14", "isal>=1.7")
    assert not setup.environment(root=checkout).is_ready()
    marker = checkout / ".venv" / "kept"
    marker.touch()

    setup.ensure(setup.environment(root=checkout, extras=["test"]))

    assert marker.exists()  # a healthy environment is never made anew
    assert pip_commands[-1][-3:] == ["torch>=2.10,<2.14", "isal>=1.7", "pytest>=8"]
    assert setup.environment(root=checkout).is_ready()  # the extra includes the plain list
    write_requirements(checkout, "torch>=2.10,<2.14")
    setup.ensure(setup.environment(root=checkout))
    assert setup.environment(root=checkout, extras=["test"]).is_ready()


def test_that_a_killed_set_up_leaves_no_stamp_and_is_completed(
    setup: ModuleType,
    checkout: Path,
    pip_commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = setup.environment(root=checkout)
    pip_script = setup.load_script("pip_progress")
    noting = pip_script.run_pip

    def killed(*_: object) -> None:
        half = env.site_packages / "torch-2.13.0.dist-info"
        half.mkdir()
        (half / "METADATA").write_text("Name: torch\nVersion: 2.13.0\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(pip_script, "run_pip", killed)
    with pytest.raises(KeyboardInterrupt):
        setup.ensure(env)
    assert not env.is_ready()

    monkeypatch.setattr(pip_script, "run_pip", noting)
    setup.ensure(env)
    assert env.is_ready()
    assert not (env.site_packages / "torch-2.13.0.dist-info").exists()  # so pip installs it again
    assert len(pip_commands) == 1


def test_that_an_environment_whose_python_is_gone_is_made_anew(
    setup: ModuleType, checkout: Path, pip_commands: list[list[str]]
) -> None:
    env = setup.environment(root=checkout)
    setup.ensure(env)
    env.python.unlink()
    env.python.symlink_to("/nowhere/python3.11")
    assert not env.is_ready()
    setup.ensure(env)
    assert env.is_ready()
    assert len(pip_commands) == 2


def test_that_torch_comes_alone_and_first_from_a_named_index(
    setup: ModuleType, checkout: Path, pip_commands: list[list[str]]
) -> None:
    setup.ensure(setup.environment(root=checkout))
    pip_commands.clear()
    chosen = setup.environment(root=checkout, torch_index=setup.CPU_INDEX)
    assert not chosen.is_ready()

    setup.ensure(chosen)

    first, second = pip_commands
    assert first[first.index("--index-url") + 1] == setup.CPU_INDEX
    assert first[-1] == "torch>=2.10,<2.14"
    assert "--no-deps" in first
    assert "--index-url" not in second
    assert chosen.is_ready()
    assert setup.environment(root=checkout).is_ready()  # the choice need not be repeated


def test_that_an_interrupted_change_of_torch_leaves_no_valid_stamp(
    setup: ModuleType,
    checkout: Path,
    pip_commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup.ensure(setup.environment(root=checkout))
    monkeypatch.setattr(setup.load_script("pip_progress"), "run_pip", lambda *_: (1, []))
    with pytest.raises(setup.SetupError):
        setup.ensure(setup.environment(root=checkout, torch_index=setup.CPU_INDEX))
    assert not setup.environment(root=checkout).is_ready()
    assert pip_commands


def test_that_a_failing_pip_ends_in_one_message(
    setup: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        setup.load_script("pip_progress"), "run_pip", lambda *_: (1, ["No matching distribution"])
    )
    monkeypatch.setattr(setup, "pip_outside", lambda: ["pip"])
    env = setup.environment(root=checkout)
    with pytest.raises(setup.SetupError) as told:
        setup.ensure(env)
    assert "No matching distribution" in str(told.value)
    assert str(env.log) in str(told.value)
    assert not env.is_ready()


def test_that_a_machine_without_any_pip_is_told_the_command(
    setup: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "_pip_version", lambda command: None)
    with pytest.raises(setup.SetupError, match="apt-get install python3-venv"):
        setup.ensure(setup.environment(root=checkout))
    assert not (checkout / ".venv").exists()


def test_that_a_full_disk_is_named_before_anything_is_made(
    setup: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(checkout)._replace(free=int(1e9))
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(setup.SetupError, match=r"1\.0 GB free"):
        setup.ensure(setup.environment(root=checkout))
    assert not (checkout / ".venv").exists()


def test_that_half_installed_packages_are_told_from_whole_ones(
    setup: ModuleType, tmp_path: Path
) -> None:
    def package(name: str, *, record: bool, size: int) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("x = 1\n")
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        if record:
            (info / "RECORD").write_text(
                f"{name}/__init__.py,sha256=abc,{size}\n"
                f"{name}/__pycache__/__init__.cpython-311.pyc,sha256=d,99\n"
                f"{info.name}/RECORD,,\n"
            )
        return info

    whole = package("whole", record=True, size=6)
    package("recordless", record=False, size=6)
    package("truncated", record=True, size=7000)
    (tmp_path / "~orch").mkdir()

    assert setup.remove_half_installed(tmp_path) == ["recordless", "truncated"]
    assert whole.is_dir()
    assert sorted(p.name for p in tmp_path.glob("*.dist-info")) == ["whole-1.0.dist-info"]
    assert not (tmp_path / "~orch").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n", "torch 2.13.0+cpu: CPU build"),
        ("__version__ = '2.13.0'\ncuda: str | None = '12.8'\n", "torch 2.13.0: CUDA 12.8 build"),
    ],
)
def test_that_the_installed_torch_build_is_told(
    setup: ModuleType, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "version.py").write_text(text)
    assert setup.installed_torch(tmp_path) == told


@pytest.mark.skipif(os.name == "nt", reason="there is no lock on Windows")
def test_that_a_second_start_waits_for_the_first(
    setup: ModuleType, checkout: Path, pip_commands: list[list[str]]
) -> None:
    script = (
        "import fcntl, os, sys, time\n"
        "lock = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True); time.sleep(1.5)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, checkout / "packaging"], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        started_s = time.monotonic()
        setup.ensure(setup.environment(root=checkout))
        assert time.monotonic() - started_s > 1.0
    assert len(pip_commands) == 1


def test_that_the_project_can_be_read_as_the_set_up_reads_it(setup: ModuleType) -> None:
    env = setup.environment(extras=["test"])
    assert env.folder == ROOT / ".venv"
    assert env.torch_requirement() == "torch>=2.10,<2.14"
    assert any(r.startswith("pytest-qt") for r in env.requirements())
    assert "PySide6-Essentials>=6.8,<6.12,!=6.9.1" in env.requirements()
