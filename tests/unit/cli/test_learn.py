"""Options of `train COHORT` and `evaluate`: complete or refused, and one plan whichever way."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from app.cli import evaluate, train
from app.cli.command import UsageError
from app.cli.learn_arguments import learn_request, plan_of, summary_lines
from app.cohort.learn.plan import plan_toml
from app.core.errors import AppError

GIVEN = [
    "--label", "after", "--definition", "NRS fall >= 30 %", "--kind", "post",
    "--baseline", "before", "--drug", "X", "--dose", "1 mg", "--route", "oral", "--arm", "active",
    "--comparator", "none", "--time-point", "week 4", "--population", "adults",
    "--age-range", "18-80", "--estimand", "as it was",
    "--rescue-medication", "counted", "--drop-out", "left out",
]  # fmt: skip


def parsed(*words, command=evaluate):
    parser = ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_that_options_make_the_plan_that_a_file_makes(tmp_path):
    plan = plan_of(parsed(tmp_path, *GIVEN, "--model", "fmm-tc", "--select", "arm=a,b"))
    assert plan.models.headline == "fmm-tc"
    assert "covariates" in plan.models.rivals
    assert plan.select == {"arm": ["a", "b"]}
    assert plan.outcome.scale == "NRS"
    assert plan.treatment.dose == "1 mg"
    (tmp_path / "plan.toml").write_text(plan_toml(plan))
    again = plan_of(parsed(tmp_path, "--plan", tmp_path / "plan.toml"))
    assert again.sha256 == plan.sha256


def test_that_everything_missing_is_told_at_once(tmp_path):
    with pytest.raises(UsageError) as refused:
        plan_of(parsed(tmp_path, *GIVEN[:-4]))
    assert refused.value.message == "Missing: --rescue-medication, --drop-out."


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--age-range", "old"], "no range of ages"),
        (["--select", "arm"], "selects nothing"),
        (["--definition", "NRS better"], "cannot be read"),
        (["--secondary", "VAS fall >= 50 %"], "mix the scales"),
    ],
)
def test_that_a_wrong_option_is_one_sentence(tmp_path, words, told):
    with pytest.raises(AppError, match=told):
        plan_of(parsed(tmp_path, *GIVEN, *words))


def test_that_a_cohort_without_folder_or_table_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        learn_request(parsed(tmp_path / "none", *GIVEN), tmp_path)
    with pytest.raises(AppError, match=r"no participants\.tsv"):
        learn_request(parsed(tmp_path, *GIVEN), tmp_path)
    with pytest.raises(UsageError, match="Name the folder"):
        evaluate.run(parsed(*GIVEN), None)
    with pytest.raises(UsageError, match="needs an id"):
        train.run(parsed(tmp_path, *GIVEN, command=train), None)


def test_that_train_without_a_cohort_is_still_the_demonstration(tmp_path):
    arguments = parsed("--cohort", tmp_path / "prepared", command=train)
    with pytest.raises(AppError, match="No prepared participants"):
        train.run(arguments, None)


def test_that_the_summary_tells_intervals_flags_and_deviations():
    lines = summary_lines(
        {
            "statement": "S", "plan_sha256": "a" * 64, "plan_locked_utc": "T",
            "models": {"m": {"auroc": 0.7, "auroc_interval": [0.6, 0.8]}},
            "gain_over_covariates": {"auroc": 0.1, "auroc_interval": [-0.1, 0.3], "rival": "age"},
            "permutation": {"p_value": 0.04, "words": "tests any association"},
            "flags": ["F"], "deviations": [
                {"what": "w", "planned": "p", "done": "d", "reason": "r"}],
        }
    )  # fmt: skip
    assert "m: AUROC 0.70 (0.60 to 0.80)" in lines
    assert "gain over age: +0.10 (-0.10 to +0.30)" in lines
    assert "permutation p = 0.040 (tests any association)" in lines
    assert "! F" in lines
    assert "deviation: w: planned p, done d. r" in lines
