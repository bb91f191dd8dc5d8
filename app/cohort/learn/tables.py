"""The evaluation as files: ``evaluation.json`` and one tab-separated table a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.result_folder import RECORD, ResultFolder


def write_evaluation(evaluation: Evaluation) -> Path:
    """Write what may be shown into the result folder; returns the record's path.

    Raises
    ------
    StorageError
        No space and the like; nothing half-written.
    """
    result = ResultFolder(evaluation.folder)
    for name, rows in tables_of(evaluation.figures).items():
        result.write_text(f"{name}.tsv", as_tsv(rows))
    return result.write_json(RECORD, evaluation.figures)


def tables_of(figures: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table."""
    found: dict[str, list[dict[str, Any]]] = {
        "models": [
            {"model": name, "label": one["label"], "headline": name == figures["headline"]}
            | _spread(one)
            for name, one in figures["models"].items()
        ],
        "comparisons": _compared(figures["headline"], figures["comparisons"]),
        "sites": [{"site": n} | _spread(one) for n, one in figures["by_site"].items()],
        "sexes": [{"sex": n} | _spread(one) for n, one in figures["by_sex"].items()],
        "arms": [{"arm": n} | _spread(one) for n, one in figures.get("by_arm", {}).items()],
        "left_out_sites": [
            {"model": n} | _spread(one) for n, one in figures["leave_one_site_out"].items()
        ],
        "confounds": [_spread(one) for one in figures["confounds"]["covariates"]],
        "decision_curve": [_spread(one) for one in figures["decision_curve"]],
        "screening": [_spread(one) for one in figures["screening"]],
        "learning_curve": [_spread(one) for one in figures["learning_curve"]],
        "deviations": [dict(one) for one in figures["deviations"]],
        "definitions": [
            {"definition": n} | _spread(one) for n, one in figures["secondary_definitions"].items()
        ],
    }
    if figures["continuous"]:
        found["continuous"] = [
            {"model": n} | _spread(one) for n, one in figures["continuous"]["models"].items()
        ]
        change = figures["continuous"]
        for place, one in (("sites", "site"), ("sexes", "sex"), ("arms", "arm")):
            found[f"continuous_{place}"] = [
                {one: n} | _spread(entry) for n, entry in change.get(f"by_{one}", {}).items()
            ]
        found["continuous_learning_curve"] = [
            _spread(one) for one in change.get("learning_curve", [])
        ]
        checks = (figures["confounds"].get("change") or {}).get("covariates", [])
        found["continuous_confounds"] = [_spread(one) for one in checks]
        found["continuous_comparisons"] = _compared(
            figures["headline"], figures["continuous"]["comparisons"]
        )
    return {name: rows for name, rows in found.items() if rows}


def _compared(headline: str, comparisons: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The headline minus each rival, one row a figure."""
    return [
        {
            "headline": headline,
            "rival": rival,
            "figure": name,
            "difference": entry["difference"],
            "low": (entry["interval"] or [None, None])[0],
            "high": (entry["interval"] or [None, None])[1],
            "corrected_p": (entry["corrected_test"] or {}).get("p_value"),
        }
        for rival, entries in comparisons.items()
        for name, entry in entries.items()
    ]


def as_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Header and rows; n/a for what is not known."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _spread(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Flat columns; an interval becomes two."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        if name.endswith("_interval"):
            low, high = value if value is not None else (None, None)
            stem = name.removesuffix("_interval")
            found |= {f"{stem}_low": low, f"{stem}_high": high}
        elif not isinstance(value, dict | list):
            found[name] = value
    return found


def _cell(value: Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())
