"""First start: the project's own environment, made with nothing but Python and pip.

Standard library only; loaded by file path from main.py and packaging/test.py. Makes `.venv`
beside main.py, installs what pyproject.toml lists with one pip command, and writes a stamp
last. A start that finds a fitting stamp does nothing; one that finds none repairs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from environment import Environment

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OLDEST_PIP = (22, 3)  # the first that knows `pip --python`
FREE_DISK_NEEDED_GB = 3.5


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def load_script(name: str) -> ModuleType:
    """A neighbour of this file; `packaging` on the import path would hide PyPI's package."""
    full_name = f"neuroresponder_{name}"
    if full_name not in sys.modules:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(full_name, path)
        if spec is None or spec.loader is None:
            raise SetupError(f"The installation is incomplete: {path} is missing.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[full_name] = module
        spec.loader.exec_module(module)
    return sys.modules[full_name]


def environment(
    extras: Sequence[str] = (), torch_index: str = "", root: Path = ROOT
) -> Environment:
    """The environment of this checkout, whether or not it stands yet."""
    made: Environment = load_script("environment").Environment(root, extras, torch_index)
    return made


def ensure(env: Environment) -> None:
    """Make, complete or repair the environment; does nothing where it is whole.

    Raises
    ------
    SetupError
        With one message that says what is missing and the command that brings it.
    """
    if env.is_ready():
        return
    with _one_at_a_time(env.root) as lock:
        if env.is_ready():  # another start finished while this one waited
            return
        _check_disk(env)
        started_s = time.monotonic()
        earlier = env.take_stamp()
        fresh = not _works(env.python)
        if fresh:
            earlier = {}
            make_venv(env)
        else:
            print(f"Completing the environment in {env.folder}", flush=True)
            for name in remove_half_installed(env.site_packages):
                print(f"    {name} was left half installed and is fetched again", flush=True)
        install(env, lock)
        env.write_stamp(earlier)
        minutes, seconds = divmod(int(time.monotonic() - started_s), 60)
        print(f"The environment stands ({minutes} min {seconds} s).", flush=True)
        print(f"    {installed_torch(env.site_packages)}", flush=True)


def make_venv(env: Environment) -> None:
    """An empty environment at the environment's place; what lies there is cleared."""
    print(f"First start: making an environment in {env.folder}", flush=True)
    command = [base_python(), "-m", "venv", "--clear"]
    if importlib.util.find_spec("ensurepip") is None:
        command.append("--without-pip")  # Debian without python3-venv; an outside pip serves
        pip_outside()  # says what to install before anything is made
    made = subprocess.run([*command, str(env.folder)], capture_output=True, text=True)
    if made.returncode != 0 or not _works(env.python):
        detail = (made.stderr or made.stdout).strip()
        raise SetupError(f"Python could not make an environment in {env.folder}.\n{detail}")


def install(env: Environment, lock: int | None = None) -> None:
    """One pip command for everything; torch alone comes first where an index was named for it."""
    if (env.site_packages / "torch").is_dir():
        print("Installing what is missing of pyproject.toml's list.", flush=True)
    else:
        print("Installing what pyproject.toml lists: 2 to 5 minutes, 2.5 GB, more with CUDA.")
        if sys.platform.startswith("linux") and not env.torch_index:
            print(
                "    Your pip settings decide the torch build; PyPI's for Linux uses CUDA (several"
                f" GB more).\n    Without an NVIDIA card, stop and add: --torch-index {CPU_INDEX}",
                flush=True,
            )
    pip = [*pip_for(env), "install", "--progress-bar", "off"]
    if env.torch_index:
        named = ["--index-url", env.torch_index, "--no-deps", "--force-reinstall"]
        _run_pip([*pip, *named, env.torch_requirement()], env, lock)
    _run_pip([*pip, *env.requirements()], env, lock)


def pip_for(env: Environment) -> list[str]:
    """The environment's own pip, or another one that is told to install into it."""
    if _pip_version([str(env.python), "-m", "pip"]) is not None:
        return [str(env.python), "-m", "pip"]
    return [*pip_outside(), "--python", str(env.python)]


def pip_outside() -> list[str]:
    """A pip of this machine that can install into another environment."""
    candidates = [[base_python(), "-m", "pip"]]
    candidates += [[path] for name in ("pip3", "pip") if (path := shutil.which(name))]
    for candidate in candidates:
        version = _pip_version(candidate)
        if version is not None and version >= OLDEST_PIP:
            return candidate
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    raise SetupError(
        f"{python} has neither its module `ensurepip` nor a pip of version "
        f"{OLDEST_PIP[0]}.{OLDEST_PIP[1]} or newer.\nInstall one of them and start again, "
        "on Debian or Ubuntu with:\n    sudo apt-get install python3-venv"
    )


def base_python() -> str:
    """The interpreter outside any environment, so that a broken one can be made anew."""
    return getattr(sys, "_base_executable", None) or sys.executable


def remove_half_installed(site_packages: Path) -> list[str]:
    """Forget packages that an interrupted pip left incomplete, so that pip installs them again.

    pip writes a package's RECORD after its files: where RECORD is missing, or a file that it
    names, the package's metadata goes, and the next install writes over what is there.

    Returns
    -------
    list
        Names of the packages.
    """
    forgotten = []
    for leftover in site_packages.glob("~*"):  # pip's own set-aside copies
        shutil.rmtree(leftover, ignore_errors=True)
    for metadata in sorted(site_packages.glob("*.dist-info")):
        if not _is_complete(metadata):
            forgotten.append(metadata.name.split("-")[0])
            shutil.rmtree(metadata)
    return forgotten


def installed_torch(site_packages: Path) -> str:
    """Which torch build is installed, read without importing it."""
    try:
        text = (site_packages / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return "torch is not installed"
    version = re.search(r"__version__ = ['\"]([^'\"]+)", text)
    cuda = re.search(r"^cuda\b[^=]*= ['\"]([^'\"]+)", text, re.MULTILINE)
    build = f"CUDA {cuda[1]} build" if cuda else "CPU build"
    if sys.platform == "darwin":
        build = "macOS build (CPU and Apple MPS)"
    return f"torch {version[1] if version else '(unknown version)'}: {build}"


def _is_complete(metadata: Path) -> bool:
    """Whether every file of a package that RECORD sizes is there with that size."""
    try:
        record = (metadata / "RECORD").read_text(encoding="utf-8")
    except OSError:
        return False
    for row in record.splitlines():
        name, _, size = row.rsplit(",", 2) if row.count(",") >= 2 else ("", "", "")
        if not size.isdigit() or name.strip('"').endswith(".pyc"):
            continue  # RECORD itself has no size, and Python compiles anew as it likes
        try:
            if (metadata.parent / name.strip('"')).stat().st_size != int(size):
                return False
        except OSError:
            return False
    return True


def _works(python: Path) -> bool:
    """Whether the interpreter starts and is of a version that the project takes."""
    test = "import sys, encodings; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
    try:
        return subprocess.run([str(python), "-c", test], capture_output=True).returncode == 0
    except OSError:
        return False


def _pip_version(command: Sequence[str]) -> tuple[int, int] | None:
    try:
        told = subprocess.run([*command, "--version"], capture_output=True, text=True)
    except OSError:
        return None
    match = re.match(r"pip (\d+)\.(\d+)", told.stdout)
    return (int(match[1]), int(match[2])) if match and told.returncode == 0 else None


def _run_pip(command: Sequence[str], env: Environment, lock: int | None) -> None:
    keep_open = () if lock is None else (lock,)
    status, errors = load_script("pip_progress").run_pip(
        command, env.log, env.site_packages, keep_open
    )
    if status != 0:
        told = "\n    ".join(errors[-3:]) or f"it ended with status {status}"
        raise SetupError(
            f"pip could not install what the program needs:\n    {told}\n"
            f"Its whole output lies in {env.log}\n"
            "Check the network or pip's settings and start again: what is there is kept."
        )


def _check_disk(env: Environment) -> None:
    free_gb = shutil.disk_usage(env.root).free / 1e9
    if free_gb < FREE_DISK_NEEDED_GB and not env.site_packages.is_dir():
        raise SetupError(
            f"{env.root} has {free_gb:.1f} GB free; the environment needs about "
            f"{FREE_DISK_NEEDED_GB} GB. Free some space and start again."
        )


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[int | None]:
    """Two starts at once: the second waits. pip holds the lock too, should its parent be killed."""
    if os.name == "nt":
        yield None  # no lock there: msvcrt locks bytes of a file, and the folder has none to spare
        return
    import fcntl

    lock = os.open(root / "packaging", os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another start is setting up the environment; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)
