"""The folder `.venv` of one checkout: what must be in it, and whether it is.

Standard library only; loaded by file path before the environment stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Environment:
    """Says where the environment lies, what it must hold and whether a set-up was completed.

    Parameters
    ----------
    root
        Folder that holds pyproject.toml.
    extras
        Optional dependency lists of pyproject.toml that are wanted as well.
    torch_index
        Package index that torch comes from; empty for whatever pip is configured to use.
    """

    def __init__(self, root: Path, extras: Sequence[str] = (), torch_index: str = "") -> None:
        self.root = root
        self.folder = root / ".venv"
        self.extras = tuple(extras)
        self.torch_index = torch_index
        self.stamp = self.folder / "neuroresponder-setup.json"
        self.log = self.folder / "neuroresponder-setup.log"

    @property
    def python(self) -> Path:
        """The environment's own interpreter."""
        if os.name == "nt":
            return self.folder / "Scripts" / "python.exe"
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Folder that pip installs into."""
        if os.name == "nt":
            return self.folder / "Lib" / "site-packages"
        found = sorted((self.folder / "lib").glob("python3*/site-packages"))
        return found[0] if found else self.folder / "lib" / "site-packages"

    def is_ready(self) -> bool:
        """Whether everything asked for was installed by an earlier start. Takes milliseconds."""
        stamp = self.read_stamp()
        installed = stamp.get("requirements", {})
        return (
            self.python.exists()  # false for a link whose Python was uninstalled
            and self.site_packages.is_dir()
            and all(installed.get(name) == digest for name, digest in self._digests().items())
            and self.torch_index in ("", stamp.get("torch_index", ""))
        )

    def requirements(self) -> list[str]:
        """Every requirement of the project and of the chosen extras."""
        return [requirement for wanted in self._lists().values() for requirement in wanted]

    def torch_requirement(self) -> str:
        """The project's requirement of torch."""
        return next(r for r in self.requirements() if r.startswith("torch>"))

    def read_stamp(self) -> dict[str, Any]:
        """What the last complete set-up left; empty where there was none."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def take_stamp(self) -> dict[str, Any]:
        """Read and remove the stamp: from now on the environment counts as unfinished."""
        stamp = self.read_stamp()
        self.stamp.unlink(missing_ok=True)
        return stamp

    def write_stamp(self, earlier: dict[str, Any]) -> None:
        """Say that the environment is whole. Extras of an earlier set-up stay noted."""
        content = {
            "requirements": {**earlier.get("requirements", {}), **self._digests()},
            "torch_index": self.torch_index or earlier.get("torch_index", ""),
        }
        temporary = self.stamp.with_suffix(".tmp")
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(temporary, self.stamp)

    def _lists(self) -> dict[str, list[str]]:
        with (self.root / "pyproject.toml").open("rb") as file:
            project = tomllib.load(file)["project"]
        optional = project.get("optional-dependencies", {})
        return {"": project["dependencies"], **{name: optional[name] for name in self.extras}}

    def _digests(self) -> dict[str, str]:
        """Hash of each dependency list, so that an edited list is installed at the next start."""
        return {
            name: hashlib.sha256("\n".join(sorted(wanted)).encode()).hexdigest()
            for name, wanted in self._lists().items()
        }
