import dataclasses
from datetime import UTC, datetime

import pytest

from ganzoo.errors import InputError
from ganzoo.evaluation import Score, compare, protocol_name, remarks, table


def test_like_records_of_unlike_models(record):
    scores = tuple(dataclasses.replace(score, value=score.value - 1.5) for score in record.scores)
    other = dataclasses.replace(
        record,
        scores=scores,
        recipe="dragan_digits",
        variant="dragan",
        step=900,
        averaged=False,
        training_seed=8,
        seed=1,
        source="keras_model",
        name="dragan",
        trained_on=None,
        versions={"ganzoo": "0.2.0"},
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    differences = {"classifier_score/digits_16x16x1": 1.5, "fid/digits_16x16x1": 1.5}
    assert compare(record, other) == differences
    assert compare(other, record) == {name: -value for name, value in differences.items()}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"dataset": "mnist"}, "dataset: 'digits' and 'mnist'"),
        ({"dataset_hash": "f"}, f"dataset_hash: '{'d' * 64}' and 'f'"),
        ({"split": "validation"}, "split: 'test' and 'validation'"),
        ({"train_split": "train[:50%]"}, "train_split: 'train' and 'train[:50%]'"),
        ({"checkpoint": "best"}, "checkpoint: 'last' and 'best'"),
        ({"evaluator": None}, "evaluator: 'digits_16x16x1' and None"),
        ({"evaluator_hash": "f"}, f"evaluator_hash: '{'e' * 64}' and 'f'"),
        ({"evaluator_accuracy": 0.5}, "evaluator_accuracy: 0.99 and 0.5"),
        ({"engine": "tfgan"}, "engine: 'ganzoo' and 'tfgan'"),
        ({"preparation": {"resizing": "none"}}, "preparation.rounding: 'uint8' and absent"),
        (
            {"preparation": {"resizing": "bilinear", "rounding": "uint8"}},
            "preparation.resizing: 'none' and 'bilinear'",
        ),
    ],
)
def test_unlike_records_are_refused_and_only_what_differs_is_named(record, change, line):
    with pytest.raises(InputError, match="do not compare") as refusal:
        compare(record, dataclasses.replace(record, **change))
    assert [each.strip() for each in str(refusal.value).splitlines()[1:-1]] == [line]


def test_unlike_counts_and_metrics_are_refused(record):
    first, second = record.scores
    scores = (dataclasses.replace(first, generated=10), Score("other", 1.0, generated=1, real=2))
    with pytest.raises(InputError) as refusal:
        compare(record, dataclasses.replace(record, scores=scores))
    assert [line.strip() for line in str(refusal.value).splitlines()[1:-1]] == [
        f"{first.metric}: 5000 generated, 0 real and 10 generated, 0 real",
        f"{second.metric}: 1437 generated, 360 real and absent",
        "other: absent and 1 generated, 2 real",
    ]


def test_across_a_condition(record):
    other = dataclasses.replace(record, checkpoint="best")
    assert set(compare(record, other, across=["checkpoint"]).values()) == {0.0}
    with pytest.raises(InputError, match="dataset: 'digits' and 'mnist'"):
        compare(record, dataclasses.replace(other, dataset="mnist"), across=["checkpoint"])


def test_across_the_preparation(record):
    other = dataclasses.replace(record, preparation={"resizing": "none", "rounding": "none"})
    assert set(compare(record, other, across=["preparation"]).values()) == {0.0}


def test_across_something_unknown(record):
    with pytest.raises(InputError, match=r"'checkpont'.*did you mean 'checkpoint'"):
        compare(record, record, across=["checkpont"])


def test_table(record):
    other = dataclasses.replace(
        record, recipe="ring", scores=(Score("modes_covered", 7, generated=100, real=0),), evaluator=None
    )
    lines = table([record, other]).splitlines()
    assert lines[0] == "| model | dcgan_digits | ring |"
    assert lines[1] == "| --- | --- | --- |"
    assert "| data | digits test, dddddddd | digits test, dddddddd |" in lines
    assert "| evaluator | digits_16x16x1, eeeeeeee, accuracy 0.9900 | none |" in lines
    assert "| classifier_score_5k_test/digits_16x16x1 | 8.25 ± 0.12 (5000 / 0) |  |" in lines
    assert lines[-1] == "| modes_covered_100_test |  | 7 (100 / 0) |"


def test_table_of_nothing():
    with pytest.raises(InputError, match="no records"):
        table([])


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (Score("fid/inception-2015", 1.0, generated=10_000, real=10_000), "fid_10k_test/inception-2015"),
        (Score("real_fid/inception-2015", 1.0, generated=0, real=20_000), "real_fid_test/inception-2015"),
        (Score("modes_covered", 8, generated=2_500, real=0), "modes_covered_2500_test"),
    ],
)
def test_printed_names_carry_the_protocol(record, score, name):
    assert protocol_name(score, record) == name


def test_remarks_are_made_where_they_matter(record):
    plain = dataclasses.replace(record, scores=(Score("modes_covered", 7, generated=9, real=0),), evaluator=None)
    plain = dataclasses.replace(plain, evaluator_accuracy=None)
    assert remarks([plain]) == []
    said = remarks([record])
    assert len(said) == 3
    assert any("FID falls" in line for line in said)
    assert any("spread of the splits" in line for line in said)
    assert any("not by Inception" in line for line in said)
    assert any("chosen by its score" in line for line in remarks([dataclasses.replace(plain, checkpoint="best")]))
    seen = dataclasses.replace(plain, split="train", trained_on="train+test")
    assert any("trained on" in line for line in remarks([seen]))
    kid = dataclasses.replace(plain, scores=(Score("kid/e", 0.1, generated=9, real=9, spread=0.1, spread_of="mean"),))
    assert remarks([kid]) == [
        "± of KID is the standard error over its blocks; KID is unbiased and may come out below 0."
    ]
