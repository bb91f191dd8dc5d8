"""`models`: models that can be asked; published encoders and atlases, with the user's consent.

A further sub-command is one entry of `ACTIONS`; a further kind of file for ``import`` is one
entry of `IMPORTS`.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli import model_bundle
from app.cli.command import DONE, FAILED, Command, UsageError, Window, existing_file
from app.cli.work import in_worker
from app.core.errors import AppError
from app.core.folders import data_folder
from app.core.published import Published, fact_lines, file_lines, licence_lines
from app.worker.published import CATALOGUE, find_published, folder_of, state_of, trust_words
from app.worker.requests import models_job


@dataclass(frozen=True, slots=True)
class Action:
    """One word after ``models``."""

    name: str
    summary: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


@dataclass(frozen=True, slots=True)
class ImportKind:
    """One kind of file that ``models import`` takes."""

    what: str
    accepts: Callable[[Sequence[Path]], bool]
    run: Callable[[Namespace, Sequence[Path]], int]


def add_arguments(parser: ArgumentParser) -> None:
    """The sub-commands."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Models that can be asked, and published encoders and atlases, which are not part of\n"
        "this program.\n\n"
        "Only `models install` uses the network, and only for the files that `models show` names.\n"
        "Without a connection, carry the files in and use `models import`."
    )
    words = parser.add_subparsers(dest="models_action", metavar="ACTION")
    for action in ACTIONS:
        one = words.add_parser(action.name, help=action.summary, description=action.summary)
        action.add_arguments(one)


def run(arguments: Namespace, _window: Window | None) -> int:
    """Run the sub-command."""
    if arguments.models_action is None:
        raise UsageError(
            "Say what to do with models.",
            f"One of: {', '.join(action.name for action in ACTIONS)} (models ACTION --help).",
            code="cli.models",
        )
    action = next(a for a in ACTIONS if a.name == arguments.models_action)
    return action.run(arguments)


# list, show ---------------------------------------------------------------------------


def _list(_arguments: Namespace) -> int:
    print("Models that can be asked (details: models card ID):")
    print("\n".join(model_bundle.list_lines()))
    print("\nPublished by others (details: models show ID):")
    print(f"{'id':<17}{'kind':<9}{'size':>17}  {'licence':<38}state")
    for entry in CATALOGUE:
        state = state_of(entry)
        licence = textwrap.shorten(entry.licence.name, 36, placeholder="...")
        print(f"{entry.id:<17}{entry.kind:<9}{entry.size_words:>17}  {licence:<38}{state.words}")
    print(f"\nInstalled below {data_folder()}")
    return DONE


def _show(arguments: Namespace) -> int:
    if model_bundle.is_bundle(arguments.id):
        return model_bundle.run_card(arguments)
    print("\n".join(description(_entry(arguments.id))))
    return DONE


def description(entry: Published) -> list[str]:
    """All that a person should know before installing."""
    state = state_of(entry)
    lines = [f"{entry.id}: {state.words}. {state.trouble}".rstrip(), *fact_lines(entry)]
    lines += ["", "Files:", *(f"  {line}" for line in file_lines(entry))]
    if state.installed:
        lines += ["", f"Installed in {folder_of(entry)}:"]
        for name, item in state.record["source"].items():
            lines.append(f"  {name}: {trust_words(str(item.get('check')))}")
    return [*lines, "", *licence_lines(entry)]


# install, import, verify, remove --------------------------------------------------------


def _card(arguments: Namespace) -> int:
    _refuse_published(arguments.id, "It has no card: models show ID tells what is known of it.")
    return model_bundle.run_card(arguments)


def _export(arguments: Namespace) -> int:
    _refuse_published(arguments.id, "Others install it from its source; it is never passed on.")
    return model_bundle.run_export(arguments)


def _refuse_published(name: str, hint: str) -> None:
    """A published encoder or atlas is no model that can be asked."""
    found = next((entry for entry in CATALOGUE if entry.id.lower() == name.lower()), None)
    if found is not None:
        raise UsageError(
            f"{found.id} is an {found.kind} that others published, not a model that can be asked.",
            hint,
            code="cli.not_a_model",
        )


def _install(arguments: Namespace) -> int:
    if model_bundle.is_bundle(arguments.id):
        print(f"{arguments.id} is here already: models card {arguments.id}")
        return DONE
    entry = _entry(arguments.id)
    if state_of(entry).installed:
        print(f"{entry.id} is installed already.")
        return DONE
    ask_licence(entry, accepted=arguments.accept_licence)
    work("models_install", id=entry.id, accepted=True)
    return _told(entry)


def _import(arguments: Namespace) -> int:
    paths = [existing_file(path) for path in arguments.files]
    for kind in IMPORTS:
        if kind.accepts(paths):
            return kind.run(arguments, paths)
    raise UsageError(
        "These files are of no kind that can be imported.",
        f"Known: {'; '.join(kind.what for kind in IMPORTS)}.",
        code="cli.import",
    )


def _import_published(arguments: Namespace, paths: Sequence[Path]) -> int:
    names = [str(path) for path in paths]
    entry = _entry(arguments.as_id or work("models_recognise", paths=names)["id"])
    ask_licence(entry, accepted=arguments.accept_licence)
    before = state_of(entry)
    work("models_import", paths=names, id=entry.id, accepted=True)
    if before.installed and state_of(entry).record == before.record:
        print(f"{entry.id} is already installed, from the same files.")
        return DONE
    return _told(entry)


def _convert(arguments: Namespace) -> int:
    source, out = arguments.folder.absolute(), arguments.out.absolute()
    answer = work("models_convert", path=str(source), out=str(out))
    print(f"Converted {answer['source_name']} (SHA-256 {answer['source_sha256']}).")
    print(f"Written: {out}")
    print("Its content was checked; that it is what you take it for, nobody has checked.")
    print(f"Use it: main.py encode --encoder {out}")
    return DONE


def _verify(arguments: Namespace) -> int:
    entries, bundles = [], list(model_bundle.ids())
    if not arguments.id:
        entries = [entry for entry in CATALOGUE if folder_of(entry).exists()]
    elif arguments.id in bundles:
        bundles = [arguments.id]
    else:
        entries, bundles = [_entry(arguments.id)], []
        if not folder_of(entries[0]).exists():
            raise UsageError(
                f"{entries[0].id} is not installed.",
                f"Install it: models install {entries[0].id}",
                code="cli.not_installed",
            )
    troubles: dict[str, str] = {}
    if bundles:
        troubles |= work("bundle_verify", ids=bundles)["troubles"]
    if entries:
        troubles |= work("models_verify", ids=[entry.id for entry in entries])["troubles"]
    for name, words in troubles.items():
        print(f"{name}: " + (f"DAMAGED. {words}" if words else "sound, as it was installed."))
    if any(troubles.values()):
        print(
            "Install what is damaged again: models remove ID, then models install ID or "
            "models import FILE."
        )
        return FAILED
    return DONE


def _remove(arguments: Namespace) -> int:
    if model_bundle.is_bundle(arguments.id):
        return model_bundle.run_remove(arguments.id)
    entry = _entry(arguments.id)
    removed = work("models_remove", id=entry.id)["removed"]
    print(f"{entry.id} was removed." if removed else f"{entry.id} was not installed.")
    return DONE


def ask_licence(entry: Published, *, accepted: bool) -> None:
    """Show the terms; they must be accepted, here or with ``--accept-licence``.

    Raises
    ------
    UsageError
        ``cli.licence``: not accepted, or nobody there to ask.
    """
    print("\n".join([*licence_lines(entry), ""]))
    if accepted:
        print("Accepted with --accept-licence.")
        return
    if sys.stdin.isatty():
        try:
            said = input(f"Do you accept these terms for {entry.id}? Type yes or no: ")
        except EOFError:
            said = ""
        if said.strip().lower() == "yes":
            return
        raise UsageError("The licence was not accepted.", "Nothing was done.", code="cli.licence")
    raise UsageError(
        "The licence was not accepted, and there is nobody to ask.",
        "Read it above; repeat the command with --accept-licence if you accept it.",
        code="cli.licence",
    )


def work(name: str, **arguments: Any) -> dict[str, Any]:
    """Do a job about published entries in the worker process."""
    return in_worker(models_job(name, **arguments))


def _entry(name: str) -> Published:
    try:
        return find_published(name)
    except AppError as error:
        hint = f"{error.hint} Models that can be asked: {', '.join(model_bundle.ids())}."
        raise UsageError(error.message, hint, code=error.code) from error


def _told(entry: Published) -> int:
    state = state_of(entry)
    print(f"{entry.id} is {state.words}, in {folder_of(entry)}")
    for needed in entry.needs:
        if not state_of(find_published(needed)).installed:
            print(f"It needs {needed}: models install {needed}")
    return DONE


def _nothing(_parser: ArgumentParser) -> None:
    return None


def _one_id(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `models list` shows it")


def _some_id(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", nargs="?", default="", help="default: all")


def _install_arguments(parser: ArgumentParser) -> None:
    _one_id(parser)
    _accept(parser)


def _import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path,
                        help="the files, or the folder that holds them")  # fmt: skip
    parser.add_argument("--as", dest="as_id", metavar="ID", default="",
                        help="which model it is, where that cannot be recognised")  # fmt: skip
    _accept(parser)


def _convert_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path,
                        help="folder with config.json and one .bin")  # fmt: skip
    parser.add_argument("--out", metavar="NEWDIR", type=Path, required=True,
                        help="new folder to write, with model.safetensors")  # fmt: skip


def _accept(parser: ArgumentParser) -> None:
    parser.add_argument("--accept-licence", action="store_true",
                        help="I have read the licence (models show ID) and accept it")  # fmt: skip


IMPORTS: tuple[ImportKind, ...] = (
    ImportKind(
        f"one exported model ({model_bundle.SUFFIX})",
        model_bundle.accepts,
        model_bundle.run_import,
    ),
    ImportKind(
        "config.json with pytorch_model.bin or model.safetensors; the files of the A424 atlas",
        lambda _paths: True,  # the last kind: says itself what it cannot take
        _import_published,
    ),
)
ACTIONS: tuple[Action, ...] = (
    Action("list", "what there is and what of it is installed", _nothing, _list),
    Action(
        "show", "one entry with its files, hashes and licence, or a model's card", _one_id, _show
    ),
    Action(
        "card",
        "a model's card as a page, limitations first",
        model_bundle.add_card_arguments,
        _card,
    ),
    Action("install", "fetch, check and install (resumes)", _install_arguments, _install),
    Action("import", "take over files that were carried in", _import_arguments, _import),
    Action(
        "convert",
        "check a checkpoint of your own (.bin) and write it as safetensors",
        _convert_arguments,
        _convert,
    ),
    Action(
        "export",
        "write a model as one file for another machine",
        model_bundle.add_export_arguments,
        _export,
    ),
    Action("verify", "read installed files again and compare", _some_id, _verify),
    Action("remove", "delete what was installed", _one_id, _remove),
)
COMMAND = Command(
    "models", "models that can be asked; published encoders and atlases", add_arguments, run
)
