"""From a file of series to one npz: values, order, provenance, and nothing half-written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.analysis.encode import encode
from app.cli.main import main
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress, ProgressEvent
from app.core.provenance import file_sha256
from app.core.request import EncodeRequest
from app.core.results import Outcome
from app.core.wording import RUO_LINE
from app.models.encoders import open_encoder
from app.study.case_store import write_case
from tests.sample_case import sample_case

REFERENCE = Path(__file__).parents[2] / "reference"
LM, VIT = REFERENCE / "brainlm_mini13m", REFERENCE / "brainlm_vitmae_small"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(LM / "golden.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture
def request_13m(tmp_path: Path, golden: dict[str, np.ndarray]) -> EncodeRequest:
    """Two scans of exactly one window, raw as the fixture has them."""
    np.savez(tmp_path / "series.npz", signals=golden["signals"], xyz=golden["xyz"])
    return EncodeRequest(
        tmp_path / "series.npz", tmp_path / "out.npz", str(LM), normalisation="raw", device="cpu"
    )


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, json.loads(str(arrays.pop("provenance")))


def test_that_embeddings_are_those_of_the_published_implementation(request_13m, golden) -> None:
    answer = encode(request_13m)
    arrays, record = read(request_13m.out_path)
    assert answer["shape"] == [2, 1, 32]
    np.testing.assert_allclose(
        arrays["cls"][:, 0], golden["enc_mask0_identity_cls"], atol=1e-4, rtol=1e-4
    )
    assert arrays["patches"].shape == (2, 1, 24, 3, 32)
    np.testing.assert_allclose(
        arrays["patches"].reshape(2, 72, 32), golden["enc_mask0_identity_patches"],
        atol=1e-4, rtol=1e-4,
    )  # fmt: skip
    np.testing.assert_array_equal(arrays["token_orders"], [np.arange(72)])
    assert record["encoder"]["sha256"]["model.safetensors"] == file_sha256(LM / "model.safetensors")
    assert record["series"]["sha256"] == file_sha256(request_13m.series_path)
    assert record["contract"]["normalisation"] == "raw"
    assert record["use"] == RUO_LINE
    assert record["encoder"]["layer"] == "after the final LayerNorm"
    assert any("repetition time is not known" in note for note in record["notes"])


def test_that_the_same_request_gives_the_same_bytes(request_13m) -> None:
    encode(request_13m)
    first = request_13m.out_path.read_bytes()
    encode(request_13m)
    assert request_13m.out_path.read_bytes() == first


def test_that_windows_orders_and_statistics_are_written(request_13m, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    signals = 100 + rng.standard_normal((1, 24, 131)).cumsum(axis=2)
    xyz = rng.integers(-60, 60, (24, 3))
    np.savez(request_13m.series_path, signals=signals, xyz=xyz, repetition_time_s=0.8)
    table = tmp_path / "statistics.tsv"
    table.write_text("median\tiqr\n" + "\n".join(["0.5\t3"] * 24) + "\n")
    encode(replace(
        request_13m, normalisation="robust_pop", statistics_path=table, token_order="random:2",
        precision="bfloat16",
    ))  # fmt: skip
    arrays, record = read(request_13m.out_path)
    np.testing.assert_array_equal(arrays["window_first_frame"], [0, 30, 60, 71])
    assert arrays["token_orders"].shape == (2, 72)
    assert arrays["cls_order_spread"].shape == (1, 4)
    np.testing.assert_allclose(arrays["cls_mean"], arrays["cls"].mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(arrays["cls_window_sd"], arrays["cls"].std(axis=1), rtol=1e-6)
    assert record["statistics"]["sha256"] == file_sha256(table)
    assert record["precision"]["largest_deviation"]["relative"] > 0
    assert record["windows"]["repetition_time_s"] == 0.8
    again = replace(request_13m, token_order=str(request_13m.out_path), out_path=tmp_path / "b.npz")
    encode(again)
    np.testing.assert_array_equal(read(again.out_path)[0]["token_orders"], arrays["token_orders"])


def test_that_the_vit_writes_the_box_of_tokens_and_the_order_of_its_rows(tmp_path: Path) -> None:
    with np.load(VIT / "golden.npz") as archive:
        np.savez(tmp_path / "s.npz", signals=archive["signals_atlas_order"], xyz=archive["xyz"])
        y_order, cls = archive["y_order"], archive["enc_mask0_cls"]
    request = EncodeRequest(
        tmp_path / "s.npz", tmp_path / "o.npz", str(VIT), normalisation="raw", device="cpu"
    )
    answer = encode(request)
    arrays, record = read(request.out_path)
    np.testing.assert_allclose(arrays["cls"][:, 0], cls, atol=1e-4, rtol=1e-4)
    assert arrays["patches"].shape == (1, 1, 27, 13, 32)
    np.testing.assert_array_equal(arrays["row_order"][0], y_order)
    assert record["axes"]["patches"][2:4] == ["row (ascending y)", "column (time)"]
    assert any("A424" in note for note in answer["notes"])  # the file does not say so
    with pytest.raises(AppError) as caught:
        encode(replace(request, token_order="random:4"))
    assert caught.value.code == "encode.token_order"


@pytest.fixture(scope="module")
def case_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of cleaned series in a case folder as this program writes it."""
    folder = write_case(
        sample_case(Outcome.WITHHELD, attribution=False), tmp_path_factory.mktemp("cases")
    )
    return next(folder.glob("*_desc-cleaned_timeseries.tsv"))


def test_that_a_case_folders_table_goes_through_the_demonstrations_encoder(
    case_table: Path, tmp_path: Path
) -> None:
    request = EncodeRequest(case_table, tmp_path / "o.npz", device="cpu", with_patches=False)
    answer = encode(request)
    arrays, record = read(request.out_path)
    assert "patches" not in arrays
    assert record["windows"]["repetition_time_s"] == 2.0  # from the case
    assert record["contract"]["normalisation"] == "percent_scaled"
    assert not any("does not say" in note for note in answer["notes"])
    encoder = open_encoder("simulated-demo")
    values = np.loadtxt(
        case_table,
        delimiter="\t",
        skiprows=1,
        converters=lambda s: float("nan" if s == "n/a" else s),
    )
    present = np.isfinite(values).all(axis=0) & (np.nanstd(values, axis=0) > 0)
    scaled = np.where(present, values, 0.0) / encoder.contract.scale_percent
    window = torch.from_numpy(scaled[:200].T.astype(np.float32)[None].copy())
    places = torch.from_numpy(arrays["xyz"][0])
    with torch.no_grad():
        expected = encoder.cls(
            window, places, torch.from_numpy(np.array(encoder.stored_orders[0])).long()
        )
    np.testing.assert_allclose(arrays["cls"][0, :1], expected, atol=1e-5)
    np.testing.assert_array_equal(arrays["missing_parcels"][0], ~present)
    with pytest.raises(AppError) as caught:
        encode(replace(request, token_order="identity"))
    assert caught.value.code == "encode.token_order"
    with pytest.raises(AppError) as caught:
        encode(replace(request, encoder=str(VIT), normalisation="raw"))
    assert caught.value.code == "model.atlas"


def test_that_a_table_alone_needs_coordinates_and_its_atlas_own_columns(
    case_table: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "series.tsv"
    plain.write_bytes(case_table.read_bytes())
    request = EncodeRequest(plain, tmp_path / "o.npz", repetition_time_s=2.0, device="cpu")
    with pytest.raises(AppError) as caught:
        encode(request)
    assert caught.value.code == "encode.coordinates"
    header, *lines = case_table.read_text().splitlines()
    names = header.split("\t")
    swapped = tmp_path / "sub-1_atlas-HCPEx_timeseries.tsv"
    swapped.write_text("\n".join(["\t".join([names[1], names[0], *names[2:]]), *lines]) + "\n")
    with pytest.raises(AppError) as caught:
        encode(replace(request, series_path=swapped))
    assert caught.value.code == "model.parcel_order"
    few = tmp_path / "xyz.txt"
    few.write_text("1 2 3\n4 5 6\n")
    with pytest.raises(AppError) as caught:
        encode(replace(request, coordinates_path=few))
    assert caught.value.code == "encode.coordinates"


def test_that_a_repetition_time_that_goes_before_the_files_is_told(request_13m, golden) -> None:
    np.savez(
        request_13m.series_path, signals=golden["signals"], xyz=golden["xyz"], repetition_time_s=2.0
    )
    answer = encode(replace(request_13m, repetition_time_s=1.5))
    assert any("states a repetition time of 2 s; 1.5 s was given" in n for n in answer["notes"])


def test_that_a_cancel_or_a_fault_leaves_the_old_result_whole(request_13m) -> None:
    encode(request_13m)
    before = request_13m.out_path.read_bytes()
    steps = iter(range(1000))
    with pytest.raises(CancelledError):
        encode(request_13m, Progress(cancelled=lambda: next(steps) > 6))
    with pytest.raises(AppError):
        encode(replace(request_13m, normalisation="robust_pop"))
    assert request_13m.out_path.read_bytes() == before
    assert sorted(p.name for p in request_13m.out_path.parent.iterdir()) == [
        "out.npz",
        "series.npz",
    ]


def test_that_the_result_must_be_an_npz_in_a_place_that_can_be_written(request_13m) -> None:
    with pytest.raises(AppError) as caught:
        encode(replace(request_13m, out_path=request_13m.out_path.with_suffix(".h5")))
    assert caught.value.code == "encode.out"
    with pytest.raises(AppError) as caught:
        encode(replace(request_13m, out_path=request_13m.series_path / "o.npz"))
    assert caught.value.code.startswith("study.")


def test_that_the_command_runs_in_the_worker_and_tells_what_it_wrote(
    request_13m, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(LM.parent)  # a relative folder, while the worker runs elsewhere
    words = ["encode", str(request_13m.series_path), "--encoder", LM.name,
             "--out", str(tmp_path / "new" / "e.npz"), "--device", "cpu"]  # fmt: skip
    assert main([*words, "--normalisation", "robust_scan"]) == 0
    text = capsys.readouterr().out
    assert RUO_LINE in text
    assert "2 scan(s), 1 window(s) each, CLS 32 wide" in text
    assert read(tmp_path / "new" / "e.npz")[0]["cls"].shape == (2, 1, 32)
    assert main([*words, "--in-process"]) == 1
    error = capsys.readouterr().err
    assert "No normalisation was chosen" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "words",
    [
        ["none.npz", "--encoder", "simulated-demo", "--out", "o.npz"],
        ["{series}", "--encoder", "simulated-demo", "--out", "o.csv"],
        ["{series}", "--out", "o.npz"],
        ["{series}", "--encoder", "x", "--out", "o.npz", "--tr", "0"],
        ["{series}", "--encoder", "x", "--out", "o.npz", "--xyz", "none.txt"],
    ],
)
def test_that_a_users_mistake_is_exit_code_2(request_13m, words: list[str], capsys) -> None:
    assert main(["encode", *[word.format(series=request_13m.series_path) for word in words]]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_that_unknown_keys_and_missing_parcels_are_named(request_13m, golden) -> None:
    signals = np.array(golden["signals"])
    signals[1, [2, 5, 6, 9]] = np.nan
    names = np.array([f"P{number}" for number in range(24)])
    np.savez(
        request_13m.series_path, signals=signals, xyz=golden["xyz"], parcel_names=names, tr=2.0,
        atlas="A24", repetition_time_s=0.735,
    )  # fmt: skip
    asked = replace(request_13m, normalisation="robust_scan", maximum_missing_parcels=4)
    notes = encode(asked)["notes"]
    assert any("not used: 'tr'. Known: signals, xyz, repetition_time_s" in note for note in notes)
    (missing,) = (note for note in notes if "missing" in note)
    assert missing.startswith("Scan 2: 4 of 24 parcels")
    assert missing.endswith("P2, P5, P6 and 1 more.")


def test_that_no_time_left_is_told_before_the_encoder_is_open(request_13m) -> None:
    events: list[ProgressEvent] = []
    encode(request_13m, Progress(events.append))
    early = [event for event in events if event.stage in ("read", "open")]
    assert early
    assert all(event.seconds_left is None for event in early)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
