"""Archives and weights that a stranger could send: how each kind is made from a good one."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tomllib
import zipfile
from collections.abc import Callable
from typing import Any

import tomli_w
import torch
from safetensors.torch import load, save

from app.models.archive import FORMAT

CARD, WEIGHTS = "card.toml", "weights.safetensors"
Members = dict[str, bytes]
Craft = Callable[[Members], bytes]


def entry(name: str, **changes: Any) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.external_attr = 0o100644 << 16
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def described(members: Members) -> dict[str, Any]:
    return {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    }


def packed(
    members: Members,
    *,
    manifest: Any = None,
    extra: list[tuple[zipfile.ZipInfo, bytes]] | None = None,
    method: int = zipfile.ZIP_STORED,
    comment: bytes = b"",
    changes: dict[str, dict[str, Any]] | None = None,
) -> bytes:
    """An archive as this program writes it, but for what is asked otherwise."""
    text = {"format": FORMAT, "id": "mini", "members": described(members)}
    manifest = text if manifest is None else manifest
    raw = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in {"manifest.json": raw, **members}.items():
            made = entry(name, **(changes or {}).get(name, {}))
            archive.writestr(made, content, compress_type=method)
        for made, content in extra or []:
            archive.writestr(made, content)
        archive.comment = comment
    return place.getvalue()


def manifest_with(**changes: Any) -> Craft:
    def craft(members: Members) -> bytes:
        manifest = {"format": FORMAT, "id": "mini", "members": described(members)}
        return packed(members, manifest={**manifest, **changes})

    return craft


def with_extra(name: str, **changes: Any) -> Craft:
    return lambda members: packed(members, extra=[(entry(name, **changes), b"x")])


def renamed(old: str, new: str) -> Craft:
    """The same archive, one name replaced by another of the same length, everywhere."""
    assert len(old) == len(new)
    return lambda members: packed(members).replace(old.encode(), new.encode())


def card_with(**changes: Any) -> Craft:
    def craft(members: Members) -> bytes:
        card = tomllib.loads(members[CARD].decode())
        for field, value in changes.items():
            path = field.split("__")
            place = card
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
        return packed({**members, CARD: tomli_w.dumps(card).encode()})

    return craft


def weights_of(change: Callable[[dict[str, torch.Tensor]], Any], *, pinned: bool = True) -> Craft:
    def craft(members: Members) -> bytes:
        tensors = load(members[WEIGHTS])
        change(tensors)
        return with_weights(save(tensors), pinned=pinned)(members)

    return craft


def with_weights(content: bytes, *, pinned: bool = True) -> Craft:
    def craft(members: Members) -> bytes:
        card = tomllib.loads(members[CARD].decode())
        if pinned:
            card["weights"]["sha256"] = hashlib.sha256(content).hexdigest()
        return packed({CARD: tomli_w.dumps(card).encode(), WEIGHTS: content})

    return craft


def patched(find: bytes, offset: int, value: bytes, *, which: int = -1) -> Craft:
    """Bytes of one record (the last by default) overwritten at an offset from its signature."""

    def craft(members: Members) -> bytes:
        content = bytearray(packed(members))
        places = [i for i in range(len(content)) if content.startswith(find, i)]
        at = places[which] + offset
        content[at : at + len(value)] = value
        return bytes(content)

    return craft


def bomb(members: Members) -> bytes:
    return packed({**members, WEIGHTS: bytes(3 << 20)}, method=zipfile.ZIP_DEFLATED)


def nested_bomb(members: Members) -> bytes:
    return packed({**members, CARD: packed(members)})


def overlapping(members: Members) -> bytes:
    """Both directory entries point at one member's bytes."""
    content = bytearray(packed(members))
    places = [i for i in range(len(content)) if content.startswith(b"PK\x01\x02", i)]
    content[places[2] + 42 : places[2] + 46] = content[places[1] + 42 : places[1] + 46]
    return bytes(content)


def gap(members: Members) -> bytes:
    """Bytes that no member owns, between the last member and the directory."""
    content = packed(members)
    end = struct.unpack("<4s4H2LH", content[-22:])
    start = end[6]
    hidden = b"hidden" * 10
    tail = content[start:-22] + struct.pack("<4s4H2LH", *end[:6], start + len(hidden), 0)
    return content[:start] + hidden + tail


def lfs(_members: Members) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def pickled(_members: Members) -> bytes:
    call = b"\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
    return b"\x80\x04\x95\x1d" + bytes(7) + call


SYMLINK = {"external_attr": 0o120777 << 16}
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
HUGE = {"size": 1, "sha256": "0" * 64}
HOSTILE: dict[str, Craft] = {
    # no archive at all
    "empty": lambda _m: b"",
    "one byte": lambda _m: b"P",
    "text": lambda _m: b"hello" * 100,
    "zeros": lambda _m: bytes(5000),
    "git lfs pointer": lfs,
    "pickle": pickled,
    "gzip": lambda _m: b"\x1f\x8b\x08" + bytes(200),
    "tar": lambda _m: b"card.toml".ljust(257, b"\0") + b"ustar\x0000" + bytes(1000),
    "safetensors alone": lambda m: m[WEIGHTS],
    "card alone": lambda m: m[CARD],
    # torn or dressed up
    "cut in half": lambda m: packed(m)[: len(packed(m)) // 2],
    "cut by one byte": lambda m: packed(m)[:-1],
    "bytes after the end": lambda m: packed(m) + b"tail",
    "second archive behind": lambda m: packed(m) + packed(m),
    "executable in front": lambda m: b"MZ" + bytes(510) + packed(m),
    "archive comment": lambda m: packed(m, comment=b"hello"),
    "end record only": lambda _m: END + bytes(18),
    "hidden gap": gap,
    "overlapping members": overlapping,
    # names
    "path slip": with_extra("../evil"),
    "path slip in place of the card": renamed(CARD, "../ca.tml"),
    "absolute path": renamed(CARD, "/etc/card"),
    "windows drive": renamed(CARD, "C:\\ard.to"),
    "backslash slip": renamed(CARD, "..\\rd.tml"),
    "folder": with_extra("folder/"),
    "device name": renamed(CARD, "nul.tomlx"),
    "alternate stream": renamed(CARD, "card:toml"),
    "upper case twin": with_extra("CARD.TOML"),
    "upper case only": renamed(CARD, "Card.toml"),
    "nul in a name": renamed(CARD, "card\x00toml"),
    "right-to-left name": with_extra("\u202elmot.drac"),
    "other unicode spelling": with_extra("ca\u0301rd.toml"),
    "emoji": with_extra("\U0001f9e0"),
    "name of 300 characters": with_extra("a" * 300),
    "pickle beside": with_extra("training_args.bin"),
    "script beside": with_extra("install.py"),
    "manifest twice": lambda m: with_extra("manifest_json")(m).replace(
        b"manifest_json", b"manifest.json"
    ),
    "card missing": lambda m: packed({WEIGHTS: m[WEIGHTS]}),
    "weights missing": lambda m: packed({CARD: m[CARD]}),
    "other order": lambda m: packed({WEIGHTS: m[WEIGHTS], CARD: m[CARD]}),
    "thousand members": lambda m: packed(
        m, extra=[(entry(f"m{number}"), b"") for number in range(1000)]
    ),
    # kinds and ways of packing
    "symbolic link": lambda m: packed(m, changes={CARD: SYMLINK}),
    "fifo": lambda m: packed(m, changes={CARD: {"external_attr": 0o010644 << 16}}),
    "device node": lambda m: packed(m, changes={CARD: {"external_attr": 0o020644 << 16}}),
    "folder by attribute": lambda m: packed(m, changes={CARD: {"external_attr": 0o040755 << 16}}),
    "deflated": lambda m: packed(m, method=zipfile.ZIP_DEFLATED),
    "bzip2": lambda m: packed(m, method=zipfile.ZIP_BZIP2),
    "lzma": lambda m: packed(m, method=zipfile.ZIP_LZMA),
    "bomb": bomb,
    "archive in the archive": nested_bomb,
    "encrypted": patched(CENTRAL, 8, b"\x01\x00"),
    "strong encryption": patched(CENTRAL, 8, b"\x41\x00"),
    "unknown method": patched(CENTRAL, 10, b"\x63\x00"),
    "claims 4 GB": patched(CENTRAL, 20, b"\xfe\xff\xff\xff\xfe\xff\xff\xff"),
    "claims less than it holds": patched(CENTRAL, 20, b"\x10\x00\x00\x00\x10\x00\x00\x00"),
    "zip64 marks": patched(CENTRAL, 20, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    "offset outside": patched(CENTRAL, 42, b"\xff\xff\xff\x7f"),
    "other local name": patched(LOCAL, 30, b"W"),
    "wrong check sum": patched(CENTRAL, 16, b"\x00\x00\x00\x00"),
    "many disks": patched(END, 4, b"\x02\x00"),
    "count of members wrong": patched(END, 8, b"\x04\x00\x04\x00"),
    "directory length wrong": patched(END, 12, b"\x01\x00\x00\x00"),
    "extra field": lambda m: packed(m, changes={CARD: {"extra": b"\x99\x99\x04\x00abcd"}}),
    "member comment": lambda m: packed(m, changes={CARD: {"comment": b"hello"}}),
    # manifest
    "manifest not JSON": lambda m: packed(m, manifest=b"{"),
    "manifest not text": lambda m: packed(m, manifest=b"\xff\xfe{}"),
    "manifest a list": lambda m: packed(m, manifest=b"[]"),
    "manifest nested deep": lambda m: packed(m, manifest=b"[" * 40000),
    "manifest with more": manifest_with(run="rm -rf"),
    "manifest of another format": manifest_with(format="nrmodel 9"),
    "id a path": manifest_with(id="../../evil"),
    "id absolute": manifest_with(id="/tmp/evil"),
    "id a number": manifest_with(id=7),
    "id empty": manifest_with(id=""),
    "id a device": manifest_with(id="com1"),
    "id upper case": manifest_with(id="Mini"),
    "id hidden": manifest_with(id=".mini"),
    "id of 300 characters": manifest_with(id="a" * 300),
    "id with a line feed": manifest_with(id="mini\n"),
    "id of a delivered model": manifest_with(id="simulated-demo"),
    "id not the card's": manifest_with(id="other"),
    "members missing": manifest_with(members={}),
    "members too many": lambda m: manifest_with(members={**described(m), "x": HUGE})(m),
    "members a list": manifest_with(members=[CARD, WEIGHTS]),
    "facts missing": manifest_with(members={CARD: {}, WEIGHTS: {}}),
    "hash of the weights wrong": lambda m: manifest_with(
        members={**described(m), WEIGHTS: {"size": len(m[WEIGHTS]), "sha256": "0" * 64}}
    )(m),
    "size of the weights wrong": lambda m: manifest_with(
        members={
            **described(m),
            WEIGHTS: {**described(m)[WEIGHTS], "size": len(m[WEIGHTS]) + 1},
        }
    )(m),
    # card
    "card not TOML": lambda m: packed({**m, CARD: b"= ="}),
    "card not text": lambda m: packed({**m, CARD: b"\xff\xfe\x00"}),
    "card nested deep": lambda m: packed({**m, CARD: b"a = " + b"[" * 20000}),
    "card of 2 MB": lambda m: packed({**m, CARD: m[CARD] + b"#" * (2 << 20)}),
    "card of format 1": card_with(format=1),
    "card with a script": card_with(run="rm -rf /"),
    "card names a path": card_with(model__id="../mini"),
    "card of an unknown architecture": card_with(model__architecture="os.system"),
    "card with another hash": card_with(weights__sha256="0" * 64),
    "card with another canary": card_with(canary__log_odds=99.0),
    "card with a huge encoder": card_with(encoder__config__hidden_size=1 << 40),
    "card with a wide encoder": card_with(encoder__config__hidden_size=10_000),
    "card with many layers": card_with(encoder__config__num_hidden_layers=100_000),
    "card with no heads": card_with(encoder__config__num_attention_heads=0),
    "card with half a head": card_with(encoder__config__num_attention_heads=0.5),
    "card with a word for a size": card_with(encoder__config__hidden_size="big"),
    "card with huge sizes": card_with(sizes__bootstrap_heads=1 << 60),
    "card of an encoder of others": card_with(encoder__source="installed"),
    "card under a licence without derivatives": card_with(encoder__licence="CC BY-NC-ND 4.0"),
    "card of people with single series": card_with(model__simulated=False),
    "card with a statistics file": card_with(weights__statistics_sha256="0" * 64),
    # weights
    "weights a pickle": with_weights(pickled({})),
    "weights a zip": with_weights(END + bytes(18)),
    "weights empty": with_weights(b""),
    "weights a pointer": with_weights(lfs({})),
    "weights with a header of 2^60": with_weights(struct.pack("<Q", 1 << 60) + b"{}"),
    "weights with a header that is a list": with_weights(struct.pack("<Q", 2) + b"[]"),
    "weights with an offset outside": with_weights(
        struct.pack("<Q", 64)
        + json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}})
        .ljust(64)
        .encode()
    ),
    "weights cut": lambda m: with_weights(m[WEIGHTS][:-4])(m),
    "weights with a tail": lambda m: with_weights(m[WEIGHTS] + b"tail")(m),
    "weights changed": lambda m: with_weights(m[WEIGHTS][:-1] + b"\x7f", pinned=False)(m),
    "weights with a stowaway": weights_of(lambda t: t.update({"people": torch.zeros(9, 9)})),
    "weights without a head": weights_of(lambda t: t.pop("head.bias")),
    "weights of another shape": weights_of(lambda t: t.update({"head.bias": torch.zeros(2)})),
    "weights not a number": weights_of(lambda t: t["head.series"].fill_(float("nan"))),
    "weights infinite": weights_of(lambda t: t["head.series"].fill_(float("inf"))),
    "weights complex": weights_of(
        lambda t: t.update({"head.bias": torch.zeros(1, dtype=torch.complex64)})
    ),
    "weights of another encoder": weights_of(
        lambda t: t.update({k: v * 1.5 for k, v in t.items() if "query.weight" in k})
    ),
}  # fmt: skip
