from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def progress(setup: ModuleType) -> ModuleType:
    script: ModuleType = setup.load_script("pip_progress")
    return script


@pytest.mark.parametrize(
    ("wheel", "size", "told"),
    [
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", None, "CPU build"),
        ("torch-2.13.0%2Bcu128-cp311-cp311-linux_x86_64.whl", None, "CUDA build (cu128)"),
        ("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", "888.1 MB", "uses CUDA"),
        ("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", "184.2 MB", "CPU build"),
        ("torch-2.13.0-cp311-none-macosx_11_0_arm64.whl", "77 MB", "Apple MPS"),
        ("torch-2.13.0-cp311-cp311-win_amd64.whl", "110 MB", "CPU build"),
        ("torch-2.13.0+rocm6.4-cp311-cp311-linux_x86_64.whl", None, "rocm6.4 build"),
    ],
)
def test_that_the_torch_build_is_told_from_the_wheel(
    progress: ModuleType, wheel: str, size: str | None, told: str
) -> None:
    assert told in progress.torch_build_of(wheel, size)


def test_that_pips_lines_become_progress(
    progress: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    script = (
        "print('Collecting torch<2.14,>=2.10 (from x)')\n"
        "print('  Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl.metadata (30 kB)')\n"
        "print('  Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl (888.1 MB)')\n"
        "print('Collecting nvidia-cublas-cu12==12.8 (from torch)')\n"
        "print('Installing collected packages: a, b, c')\n"
        "import sys; print('ERROR: no space left', file=sys.stderr); sys.exit(3)\n"
    )
    log = tmp_path / "log"
    status, errors = progress.run_pip([sys.executable, "-c", script], log, tmp_path)
    told = capsys.readouterr().out
    assert (status, errors) == (3, ["no space left"])
    assert told.count("torch 2.13.0: ") == 1
    assert "888.1 MB" in told
    assert "CUDA libraries" in told
    assert "Installing collected packages: a, b, c" in log.read_text()


def test_that_the_install_phase_counts_packages(
    progress: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "old-1.dist-info").mkdir()
    lines = progress.PipLines(progress.Screen(), tmp_path)
    lines.line("Installing collected packages: a, b, c")
    (tmp_path / "a-1.dist-info").mkdir()
    lines._screen._said_at_s = -100.0
    lines.tick()
    assert "installing, 1 of 3 packages" in capsys.readouterr().out
