"""Another baseline repaints every map (b) in the window, and says so wherever it is drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.analysis.map_export import export_parcel_map
from app.core.network_sums import network_sums
from app.core.results import Case, Outcome
from app.gui.connections import shown_connections
from app.gui.main_window.window import MainWindow
from app.gui.map_actions import _facts
from app.gui.session import OpenCase
from app.gui.view_state.codec import from_plain, to_plain
from app.gui.views import (
    CardView,
    ClustersView,
    ConnectionsView,
    HealthView,
    MatrixView,
    NetworksView,
    RegionsView,
    RingView,
    SlicesView,
    SurfaceView,
    TimeSeriesView,
)
from app.gui.widgets.explanation_caption import ExplanationCaption
from app.gui.widgets.layer_stack import stack_of
from app.gui.widgets.overlay import current_overlay, drawn_case
from app.study.case_store import read_case, write_case
from tests.live_case import case_of, view_of
from tests.sample_case import sample_case

WORDS = "baseline: reference 2 of 2 alone"


def choose(window: MainWindow, index: int, qtbot: Any) -> HealthView:
    """Take a baseline from the list on the page."""
    view = view_of(window, "explain", HealthView, qtbot)
    view.baseline_box.setFocus()
    view.baseline_box.setCurrentIndex(index)
    view.baseline_box.activated.emit(index)
    return view


def expected(case: Case) -> tuple[Any, Any, Any]:
    """Parcels, connections and stability of the second reference, computed here."""
    health = case.health
    assert health is not None
    first, second = (one for one in health.repeats if one.kind == "baselines")
    parcels = np.asarray(second.per_parcel, np.float64)
    count = len(parcels)
    matrix = np.zeros((count, count))
    matrix[np.triu_indices(count, 1)] = second.per_pair
    assert health.elsewhere is not None
    apart = np.square(np.asarray(first.per_parcel, np.float64) - parcels)
    spread = np.sqrt((apart + health.elsewhere.per_parcel) / health.elsewhere.kinds)
    return parcels, matrix + matrix.T, np.abs(parcels) / (np.abs(parcels) + spread)


def test_that_a_baseline_repaints_maps_tables_and_hatching_and_undo_brings_all_back(
    judged: MainWindow, qtbot: Any
) -> None:
    session = judged.session
    parcels, matrix, stability = expected(case_of(session).case)
    session.set_display(matrix="scan")
    slices = view_of(judged, "explain", SlicesView, qtbot)
    regions = view_of(judged, "explain", RegionsView, qtbot)
    before = current_overlay(session)
    assert before is not None
    assert slices.stage.content is not None
    painted = slices.stage.content.paints[0]
    choose(judged, 2, qtbot)
    overlay = slices.overlay
    assert overlay is not None
    np.testing.assert_allclose(overlay.values, parcels, atol=1e-6)
    unstable = stability < 0.5
    assert 0 < int(unstable.sum()) < unstable.size
    assert overlay.disagreeing[unstable].all()
    assert slices.stage.content.paints[0] is not painted
    surface = view_of(judged, "explain", SurfaceView, qtbot)
    assert surface.overlay is not None
    np.testing.assert_allclose(surface.overlay.values, parcels, atol=1e-6)
    canvas = view_of(judged, "explain", MatrixView, qtbot).canvas
    assert canvas.content is not None
    np.testing.assert_allclose(canvas.content.matrix, matrix, atol=1e-7)
    shown = shown_connections(session)
    assert shown is not None
    left_out = case_unstable(session) | case_opposite(session)
    strongest = np.argsort(-np.abs(np.where(left_out, 0.0, np.triu(matrix, 1))), None)
    first = tuple(int(v) for v in np.unravel_index(strongest[0], matrix.shape))
    assert shown.edges.pairs()[0] == first
    rows = [regions.proxy.mapToSource(regions.proxy.index(row, 0)).row() for row in range(3)]
    hatched = overlay.disagreeing  # where (a) and (b) disagree too
    assert hatched.sum() > unstable.sum()
    ranked = np.argsort(-np.where(hatched, -1.0, np.abs(parcels)), kind="stable")
    assert rows == ranked[:3].tolist()
    last = regions.proxy.mapToSource(regions.proxy.index(len(parcels) - 1, 0)).row()
    assert hatched[last]  # behind all others, without a rank
    session.history.stack.undo()
    again = current_overlay(session)
    assert again is not None
    np.testing.assert_array_equal(again.values, before.values)
    np.testing.assert_array_equal(again.disagreeing, before.disagreeing)
    assert slices.stage.content.paints[0] is painted


def test_that_no_table_of_another_baseline_or_without_its_health_stays_open(
    judged: MainWindow, qtbot: Any
) -> None:
    session, opened = judged.session, case_of(judged.session)
    networks = view_of(judged, "explain", NetworksView, qtbot)
    first = judged.exports.show_table(networks)
    assert first is not None
    own = first.table.rows
    with qtbot.waitSignal(first.finished):
        choose(judged, 2, qtbot)
    second = judged.exports.show_table(networks)
    assert second is not None
    assert second.table.rows != own
    assert WORDS in second.stamps
    session.select_parcel(3)  # nothing of the table changes
    assert second.isVisible()
    with qtbot.waitSignal(second.finished):
        session.history.stack.undo()
        session.history.stack.undo()
    bare = replace(opened, case=replace(opened.case, health=None))
    session.exchange_case(bare)
    third = judged.exports.show_table(networks)
    assert third is not None
    with qtbot.waitSignal(third.finished):
        session.exchange_case(opened)  # health was computed meanwhile


def case_opposite(session: Any) -> Any:
    found = session.drawn.attribution
    assert found is not None
    return np.sign(found.scan.per_connection) != np.sign(found.branches.per_connection)


def case_unstable(session: Any) -> Any:
    health = session.drawn.health
    assert health is not None
    return health.unstable_connections


def test_that_every_view_of_map_b_names_the_baseline_and_no_other_does(
    judged: MainWindow, qtbot: Any
) -> None:
    session = judged.session
    session.set_display(matrix="scan")
    kinds = (
        SlicesView, SurfaceView, MatrixView, RingView, RegionsView, ClustersView,
        ConnectionsView, NetworksView,
    )  # fmt: skip
    for kind in kinds:
        assert WORDS not in view_of(judged, "explain", kind, qtbot).stamp_text()
    health = choose(judged, 2, qtbot)
    for kind in kinds:
        view = view_of(judged, "explain", kind, qtbot)
        assert WORDS in view.stamp_text(), kind.__name__  # burnt into pictures, in table dialogs
        assert WORDS in view.stamp_label.full_text(), kind.__name__
        if kind is not ClustersView:
            assert "baseline" in view.title_label.text(), kind.__name__
            table = view.as_table()
            assert table is not None
            if kind is not MatrixView:
                assert any(WORDS in column for column in table.columns), kind.__name__
    slices = view_of(judged, "explain", SlicesView, qtbot)
    assert slices.bar_row.bars[0].note == WORDS
    assert view_of(judged, "explain", RingView, qtbot).bar.note == WORDS
    caption = judged.page("explain").findChild(ExplanationCaption)
    assert caption is not None
    assert "reference 2 of 2 alone. It is not the answer's own map" in caption.words.text()
    assert "Card, report and case folder keep the answer's own map" in health.figures.text()
    # method (a) has its own baseline, and connectivity has none: neither changes its name
    session.set_display(overlay="branches", matrix="correlation")
    qtbot.wait(20)
    for kind in (SlicesView, SurfaceView, MatrixView, RingView):
        assert WORDS not in view_of(judged, "explain", kind, qtbot).stamp_text()
    found = case_of(session).attribution
    overlay = current_overlay(session)
    assert found is not None
    assert overlay is not None
    np.testing.assert_array_equal(overlay.values, found.branches.per_parcel)


def test_that_networks_sum_the_baselines_map(judged: MainWindow, qtbot: Any) -> None:
    parcels, _, _ = expected(case_of(judged.session).case)
    choose(judged, 2, qtbot)
    signals = case_of(judged.session).case.signals
    assert signals is not None
    wanted = network_sums(parcels, signals.networks, signals.hemispheres)
    table = view_of(judged, "explain", NetworksView, qtbot).as_table()
    assert table is not None
    for row, sums in zip(table.rows, wanted, strict=True):
        assert row[:2] == (sums.network, sums.side)
        np.testing.assert_allclose(row[3:], (sums.positive, sums.negative, sums.net), atol=1e-5)


def test_that_frames_of_the_baselines_series_are_summed(judged: MainWindow) -> None:
    session, health = judged.session, case_of(judged.session).health
    assert health is not None
    session.change("Baseline of the explanation", "explain", baseline=1)
    session.set_display(overlay="scan_series")
    session.select_frames(40, 60)
    overlay = current_overlay(session)
    assert overlay is not None
    frames = health.of_kind("baselines")[0].per_parcel_frame
    assert frames is not None
    np.testing.assert_allclose(overlay.values, frames[:, 40:61].sum(axis=1), atol=1e-6)
    assert overlay.title.startswith("(b) time series, volumes 44 to 64")
    assert overlay.title.endswith("baseline: reference 1 of 2 alone")


def test_that_written_maps_say_which_baseline(judged: MainWindow, tmp_path: Path) -> None:
    import nibabel

    session = judged.session
    session.change("Baseline of the explanation", "explain", baseline=2)
    drawn = stack_of(session).find("shared", "template")
    assert drawn is not None
    assert drawn.overlay is not None
    opened = case_of(session)
    names = export_parcel_map(
        opened.folder,
        tmp_path,
        drawn.overlay.values,
        _facts(drawn, drawn_case(session, "scan") or opened),
    )
    assert all("attributionscanBaselineReference2Of2Alone" in name for name in names)
    volume = nibabel.load(next(tmp_path.glob("*_map.nii.gz")))
    assert WORDS in volume.header.extensions[0].text
    text = bytes(volume.header["descrip"]).rstrip(b"\0").decode()
    assert "other baseline" in text
    assert text.endswith("not for treatment decisions")
    parcels, _, _ = expected(opened.case)
    labels = np.asarray(opened.view.labels)
    np.testing.assert_allclose(np.asarray(volume.dataobj)[labels == 51], parcels[50], rtol=1e-5)
    gifti = nibabel.load(next(tmp_path.glob("*hemi-L*.func.gii")))
    assert gifti.meta["Baseline"] == "reference 2 of 2 alone"
    lines = next(tmp_path.glob("*_parcels.tsv")).read_text().splitlines()
    heads, first = lines[0].split("\t"), lines[1].split("\t")
    assert heads[4] == f"value ({WORDS})"
    assert first[heads.index("reference")].endswith("; reference 2 of 2 alone")
    seen = session.drawn
    assert seen is not None
    assert seen.attribution is not None
    assert seen.health is not None
    for head, flags in (
        ("methods_disagree", seen.attribution.disagreeing),
        ("unstable", seen.health.unstable),
    ):
        column = [line.split("\t")[heads.index(head)] for line in lines[1:]]
        assert column == [str(int(flag)) for flag in flags]
    record = json.loads(next(tmp_path.glob("*_parcels.json")).read_text())
    assert record["Baseline"] == "reference 2 of 2 alone"
    assert record["AnswersOwnMap"] is False


def test_that_the_card_and_the_case_keep_the_answers_own_map(
    judged: MainWindow, judged_folder: Path, qtbot: Any
) -> None:
    card = view_of(judged, "predict", CardView, qtbot)
    before = card.sentence()
    own = case_of(judged.session).attribution
    choose(judged, 1, qtbot)
    assert case_of(judged.session).attribution is own
    assert card.sentence() == before
    assert judged.session.drawn is not judged.session.case
    plain = to_plain(judged.session.state)
    assert from_plain(plain).explain.baseline == 1  # saved and recovered with the session


def test_that_an_older_case_says_that_its_baselines_are_not_kept(
    window: MainWindow, tmp_path: Path, qtbot: Any
) -> None:
    case = sample_case(Outcome.RESULT, health=True)
    assert case.health is not None
    bare = tuple(replace(one, per_pair=None, per_parcel_frame=None) for one in case.health.repeats)
    case = replace(case, health=replace(case.health, repeats=bare, elsewhere=None))
    folder = write_case(case, tmp_path)
    text = (folder / "case.json").read_text()
    for name in ("per_pair", "per_parcel_frame", "elsewhere"):
        assert f'"{name}": null' in text
    old = json.loads(text)  # as it was written before these fields were known
    for one in old["record"]["health"]["repeats"]["$tuple"]:
        del one["per_pair"], one["per_parcel_frame"]
    del old["record"]["health"]["elsewhere"]
    rewrite(folder, old)
    window.actions_.open_case(folder)
    view = choose(window, 1, qtbot)
    assert "not kept in this older case" in view.figures.text()
    assert window.session.drawn is window.session.case
    assert view.compute.isVisible()
    assert view.compute.text() == "Compute again, to draw baselines"


def rewrite(folder: Path, document: dict[str, Any]) -> None:
    """Another case.json with its hash in the manifest."""
    import hashlib

    data = json.dumps(document).encode()
    (folder / "case.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["case.json"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert read_case(folder).health is not None


def test_that_who_asks_twice_gets_the_same_map(judged_folder: Path) -> None:
    opened = OpenCase.read(judged_folder)
    assert opened.from_baseline(2) is opened.from_baseline(2)
    assert opened.from_baseline(0) is opened
    assert opened.from_baseline(9) is opened
    assert opened.from_baseline(1).baseline == "reference 1 of 2 alone"


def test_that_the_time_course_of_what_moved_is_the_baselines_own(
    judged: MainWindow, qtbot: Any
) -> None:
    session = judged.session
    view = view_of(judged, "explain", TimeSeriesView, qtbot)
    assert "moved" not in view._plots
    session.set_display(overlay="scan_series")
    session.select_parcel(50)
    found = case_of(session).attribution
    assert found is not None
    np.testing.assert_array_equal(view._traces[0].moved, found.scan.per_parcel_frame[50])
    assert "moved" in view._plots
    choose(judged, 2, qtbot)
    health = case_of(session).health
    assert health is not None
    frames = health.of_kind("baselines")[1].per_parcel_frame
    assert frames is not None
    np.testing.assert_allclose(view._traces[0].moved, frames[50])
    table = view.as_table()
    assert table is not None
    assert table.columns[-1].endswith(f"moved, {WORDS}")
    assert WORDS in view.stamp_text()
    session.select_network("Default")
    signals = case_of(session).case.signals
    assert signals is not None
    inside = [p for p, n in enumerate(signals.networks) if n == "Default" and signals.coverage[p]]
    np.testing.assert_allclose(view._traces[0].moved, frames[inside].sum(axis=0), atol=1e-6)
    session.set_display(overlay="scan")
    assert "moved" not in view._plots
