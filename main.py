"""NeuroResponder's one command: `python3 main.py <command>`; without a command the window opens.

Runs with any Python 3.11 to 3.13. Until the environment `.venv` stands only the standard
library is used; the set-up itself lies in packaging/.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent

HELP_BEFORE_SETUP = """\
usage: python3 main.py [COMMAND] [OPTIONS] [--torch-index URL]

NeuroResponder, research use only. The environment is not installed yet: the first command
without --help installs it beside this file (about 2.5 GB, more with CUDA). Then
`python3 main.py --help` tells every command; start with `python3 main.py demo`.

  --torch-index URL   where torch comes from, such as https://download.pytorch.org/whl/cpu
                      on a machine without an NVIDIA card
"""


def main(arguments: list[str]) -> int:
    """Make sure that the environment stands, then run the command inside it."""
    if not (3, 11) <= sys.version_info < (3, 14):
        told = ".".join(str(part) for part in sys.version_info[:3])
        print(f"NeuroResponder needs Python 3.11, 3.12 or 3.13; this is {told}.", file=sys.stderr)
        return 2
    try:
        torch_index, arguments = take_torch_index(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    setup = load_setup()
    env = setup.environment(torch_index=torch_index)
    if not env.is_ready():
        if not env.folder.exists() and {"-h", "--help"} & set(arguments):
            print(HELP_BEFORE_SETUP)
            return 0
        try:
            setup.ensure(env)
        except setup.SetupError as error:
            print(error, file=sys.stderr)
            return 1
    if Path(sys.prefix).resolve() != env.folder.resolve():
        return run_inside(env.python, arguments)

    from app.cli.main import main as run_command

    return run_command(arguments, Window(setup))


class Window:
    """Lets the command line open the window without importing it: neither room knows the other."""

    def __init__(self, setup: ModuleType) -> None:
        self._system_libraries = setup.load_script("system_libraries")

    def obstacle(self) -> str:
        """Why no window can open on this machine and what to do; empty where one can."""
        if not self._system_libraries.has_display():
            return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)."
        missing = self._system_libraries.missing_for_window()
        return self._system_libraries.explain(missing) if missing else ""

    def open(self, paths: list[str]) -> int:
        """Open the window on a scan or case folder, or on nothing, until it is closed."""
        from app.gui.application import main as open_window

        return open_window(paths)


def take_torch_index(arguments: list[str]) -> tuple[str, list[str]]:
    """Split `--torch-index URL`, which is the set-up's, from the command's own arguments."""
    rest, index, waiting = [], "", False
    for argument in arguments:
        if waiting:
            index, waiting = argument, False
        elif argument == "--torch-index":
            waiting = True
        elif argument.startswith("--torch-index="):
            index = argument.partition("=")[2]
        else:
            rest.append(argument)
    if waiting or index.startswith("-"):
        raise ValueError(
            "--torch-index needs an address, such as https://download.pytorch.org/whl/cpu"
        )
    return index, rest


def load_setup() -> ModuleType:
    """The set-up script, by its path: `packaging` is also the name of a package on PyPI."""
    name = "neuroresponder_setup_environment"
    path = ROOT / "packaging" / "setup_environment.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"The installation is incomplete: {path} is missing.")
    setup = importlib.util.module_from_spec(spec)
    sys.modules[name] = setup
    spec.loader.exec_module(setup)
    return setup


def run_inside(python: Path, arguments: list[str]) -> int:
    """Start again with the environment's interpreter."""
    command = [str(python), str(ROOT / "main.py"), *arguments]
    if os.name != "nt":
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.run(command).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nInterrupted; the next start goes on from here.", file=sys.stderr)
        sys.exit(130)
