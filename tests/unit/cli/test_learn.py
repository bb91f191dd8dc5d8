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


def test_that_options_beside_a_plan_file_are_refused_and_the_control_arm_is_part_of_it(tmp_path):
    plan = plan_of(parsed(tmp_path, *GIVEN, "--control-arm", "placebo"))
    assert plan.arms.control == "placebo"
    assert plan.sha256 != plan_of(parsed(tmp_path, *GIVEN)).sha256
    (tmp_path / "plan.toml").write_text(plan_toml(plan))
    assert plan_of(parsed(tmp_path, "--plan", tmp_path / "plan.toml")).sha256 == plan.sha256
    with pytest.raises(UsageError, match="--select, --seed, --control-arm beside --plan"):
        plan_of(
            parsed(tmp_path, "--plan", tmp_path / "plan.toml", "--control-arm", "placebo",
                   "--select", "arm=a", "--seed", "4")
        )  # fmt: skip


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


def record():
    return {
        "statement": "S", "plan_sha256": "a" * 64, "plan_locked_utc": "T", "headline": "m",
        "plan": {"responder": {"definition": "NRS fall >= 30 %"}},
        "cohort": {"people": 20, "responders": 8, "base_rate": 0.4},
        "models": {"m": {"label": "M", "auroc": 0.7, "auroc_interval": [0.6, 0.8]}},
        "secondary_definitions": {
            "NRS fall >= 50 %": {"auroc": 0.65, "auroc_interval": None, "responders": 1,
                                 "people": 20, "note": "n"}},
        "gain_over_covariates": {"auroc": 0.1, "auroc_interval": [-0.1, 0.3], "rival": "age"},
        "permutation": {"p_value": 0.04, "words": "tests any association"},
        "flags": ["F"], "deviations": [
            {"what": "w", "planned": "p", "done": "d", "reason": "r"}],
    }  # fmt: skip


def test_that_the_summary_tells_intervals_flags_and_deviations():
    lines = [line.strip() for line in summary_lines(record())]
    assert lines[2] == "Responder definitions"
    assert (
        "NRS fall >= 30 %: AUROC 0.70 (0.60 to 0.80) in 20 people, 8 responders (base rate 0.40)."
        in lines
    )
    assert "NRS fall >= 50 %: AUROC 0.65, 1 of 20 responders." in lines
    assert "m: AUROC 0.70 (0.60 to 0.80)" in lines
    assert (
        "Gain in AUROC over the best covariate-only rival (age): +0.10 (-0.10 to +0.30): no gain "
        "is shown." in lines
    )
    assert "Permutation p = 0.040 (tests any association)." in lines
    assert "! F" in lines
    assert "deviation: w: planned p, done d. r" in lines


def test_that_the_summary_leads_with_the_change_where_it_is_primary():
    compared = {"difference": 0.12, "interval": [-0.05, 0.25], "corrected_test": {"p_value": 0.03}}
    error = {"difference": -0.1, "interval": None, "corrected_test": None}
    one = {"label": "M", "by": "ridge regression", "r": 0.4, "r_interval": [0.1, 0.6],
           "absolute_error": 1.3, "absolute_error_interval": [1.0, 1.6]}  # fmt: skip
    figures = record() | {
        "primary": {"outcome": "continuous", "words": "improvement, points (NRS)"},
        "continuous": {
            "headline": "m",
            "models": {"m": one, "baseline-only": {"label": "Score before treatment alone",
                                                   "absolute_error": 1.4}},
            "comparisons": {"baseline-only": {"r_squared": compared, "absolute_error": error}},
            "permutation": {"p_value": 0.02, "words": "tests any association"},
            "gain_over_covariates": {"of": ["age"], "rival": "baseline-only",
                                     "r_squared": compared},
        },
    }  # fmt: skip
    lines = [line.strip() for line in summary_lines(figures)]
    assert lines[2] == "Primary outcome: improvement, points (NRS)"
    assert lines[3] == (
        "M (ridge regression): R² +0.12 (-0.05 to +0.25) beyond the score before treatment alone: "
        "nothing beyond it is shown."
    )
    assert "against 1.40, difference -0.10." in lines[4]
    assert lines.index("Secondary: responder definitions") > 5


def test_that_options_declare_the_customary_definitions_beforehand(tmp_path):
    plan = plan_of(parsed(tmp_path, *GIVEN))
    assert plan.responder.secondary == ["NRS fall >= 20 %", "NRS fall >= 50 %", "NRS < 4"]
    assert plan.primary == "continuous"
    one = plan_of(parsed(tmp_path, *GIVEN, "--secondary", "NRS fall >= 40 %"))
    assert one.responder.secondary == ["NRS fall >= 40 %"]
    other = plan_of(parsed(tmp_path, *GIVEN, "--primary", "responder",
                           "--calibration", "temperature", "--scale", "NRS 0-100"))  # fmt: skip
    assert (other.primary, other.protocol.calibration) == ("responder", "temperature")
    assert other.responder.secondary == ["NRS fall >= 20 %", "NRS fall >= 50 %"]


def test_that_a_plan_of_few_permutations_is_told_before_it_is_locked(tmp_path, capsys):
    table = tmp_path / "participants.tsv"
    for count, told in ((9, True), (19, False), (0, False)):
        words = parsed(tmp_path, *GIVEN, "--permutations", count, "--table", table)
        learn_request(words, tmp_path / "out")
        assert ("Too few permutations to reach 0.05" in capsys.readouterr().err) is told
    assert not (tmp_path / "out").exists()


def test_that_people_are_left_out_by_name_and_a_misspelt_one_is_refused(tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tafter\tbefore\nsub-01\t1\t2\nsub-02\t1\t2\n")
    words = [*GIVEN, "--table", table, "--exclude", "02"]
    assert learn_request(parsed(tmp_path, *words), tmp_path).by_hand == (("sub-02", ""),)
    with pytest.raises(AppError, match="'sub-03' is to be left out, but is not in the table"):
        learn_request(parsed(tmp_path, *words, "sub-03"), tmp_path)
