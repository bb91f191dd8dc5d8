"""The one reader of files that ship with the program."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def project_root() -> Path:
    """Folder that holds `app`, `resources` and `model_weights`."""
    return _ROOT


def resource_path(*parts: str) -> Path:
    """Path of a bundled file below `resources/`.

    Raises
    ------
    FileNotFoundError
        When the installation is incomplete.
    """
    path = _ROOT.joinpath("resources", *parts)
    if not path.exists():
        raise FileNotFoundError(f"Bundled resource is missing: {'/'.join(parts)}")
    return path


def model_weights_path() -> Path:
    """Folder of the bundled models, one sub-folder each."""
    return _ROOT / "model_weights"
