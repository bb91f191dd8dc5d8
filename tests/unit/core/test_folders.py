"""Names that come from outside never lead out of the program's own folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError
from app.core.folders import (
    atlases_folder,
    encoders_folder,
    installed_atlas_folder,
    installed_encoder_folder,
    plain_name,
)

ODD = (
    "", ".", "..", "...", "../x", "a/b", "a\\b", "/etc", "C:", "C:\\x", "~", "$HOME", "a\0b",
    "a\nb", "x" * 300, "con", "NUL", "aux.txt", "LPT1.safetensors", "com0", "\u202eA424",
    "e\u0301", "\U0001f9e0", " A424", "A424 ", "A424.", "-x", ".hidden", "a*b", "a?b", "a:b", "a|b",
)  # fmt: skip


@pytest.mark.parametrize("name", ["checkpoint-1400", "old_13M", "vitmae_650M", "A424", "a.b-c_d"])
def test_that_the_names_in_use_are_plain(name: str) -> None:
    assert installed_encoder_folder(name) == encoders_folder() / name
    assert installed_atlas_folder(name) == atlases_folder() / name


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_that_an_odd_name_is_one_typed_error(name: str) -> None:
    with pytest.raises(AppError) as caught:
        installed_encoder_folder(name)
    assert caught.value.code == "folders.name"
    assert caught.value.message.isprintable()


@given(st.text(max_size=80) | st.from_regex(r"[./\\\\a-zA-Z0-9~:-]{1,40}", fullmatch=True))
@example("A424/../../x")
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_that_any_text_is_refused_or_stays_inside(name: str) -> None:
    try:
        folder = installed_encoder_folder(name)
    except AppError:
        return
    assert plain_name(name) == name
    assert folder.parent == encoders_folder()
    assert Path(folder).resolve().parent == encoders_folder().resolve()
