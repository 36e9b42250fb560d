"""The values of a sweep as typed, their combinations, and the names of the runs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.control.sweep_plan import (
    MOST_RUNS,
    SUFFIX_CHARACTERS,
    combinations,
    named,
    read_sweep,
    shown,
    split_values,
)

# ----------------------------------------------------------------- values and combinations


def suffixes(*words: str) -> list[str]:
    return [one.suffix for one in combinations(read_sweep(words))]


def test_every_combination_is_a_run_and_the_last_setting_changes_first() -> None:
    found = combinations(read_sweep(["learning_rate=1e-4,5e-5", "network_dim=16,32"]))
    assert [one.suffix for one in found] == [
        "lr1e-4-dim16", "lr1e-4-dim32", "lr5e-5-dim16", "lr5e-5-dim32",
    ]  # fmt: skip
    assert found[1].settings == (("learning_rate", "1e-4"), ("network_dim", "32"))
    assert found[1].words == ("learning_rate=1e-4", "network_dim=32")


def test_a_setting_with_one_value_is_in_every_run_and_in_no_name() -> None:
    found = combinations(read_sweep(["seed=7", "network_dim=16,32"]))
    assert [one.suffix for one in found] == ["dim16", "dim32"]
    assert found[0].words == ("seed=7", "network_dim=16")
    assert found[0].settings == (("network_dim", "16"),)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-4,5e-5", ["1e-4", "5e-5"]),
        ('"a=1,b=2","a=2"', ['"a=1,b=2"', '"a=2"']),
        ("'a,b',c", ["'a,b'", "c"]),
        ('["a=1", "b=2"],["a=2"]', ['["a=1", "b=2"]', '["a=2"]']),
        ("it's,fine", ["it's", "fine"]),
        (r'"say \", ,",x', [r'"say \", ,"', "x"]),
        ("one", ["one"]),
    ],
)
def test_a_comma_in_quotes_or_brackets_belongs_to_the_value(text: str, values: list[str]) -> None:
    assert [part.strip() for part in split_values("x", text)] == values


def test_a_quoted_value_is_shown_without_its_quotes() -> None:
    assert shown('"a=1,b=2"') == "a=1,b=2"
    (first, _) = combinations(read_sweep(['env.ARGS="a,b",c']))
    assert first.words == ("env.ARGS=a,b",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["learning_rate"], "not a setting"),
        (["=1,2"], "not a setting"),
        (["env.=1,2"], "not a setting"),
        (["lr=1,2", "lr=3"], "lr is set twice"),
        (["network-dim=1,2", "network_dim=3"], "network_dim is set twice"),
        (["lr=1,"], "lr has an empty value"),
        (["lr=1e-4,0.0001"], "the same value twice: 1e-4 and 0.0001"),
        (["lr=1e-4"], "nothing to combine"),
        ([], "nothing to combine"),
        (["output_name=a,b"], "output_name has one value: each run's name begins with it"),
        (["output_dir=a,b"], "output_dir has one value: all runs of a sweep write into one folder"),
        (["logging_dir=a,b"], "logging_dir has one value"),
        (['args="a,b'], 'without its closing "'),
        (["args=[1,2"], "without its closing ]"),
    ],
)
def test_what_is_no_sweep_is_one_sentence(words: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_sweep(words)


@pytest.mark.parametrize(
    "values",
    [
        '"16",16', "16,16.0", '["16"],16', "1e-4,0.0001", '"1e-4",0.0001', '"true",true', "0,-0",
        '["a=1"],a=1', '["a", "b"],["a","b"]',
    ],
)  # fmt: skip
def test_two_spellings_of_what_the_trainer_gets_are_one_value(values: str) -> None:
    with pytest.raises(ValueError, match="some_flag has the same value twice"):
        read_sweep([f"some_flag={values}"])


@pytest.mark.parametrize("values", ["hf_abcdef,hf_abcdef", '"hf_abcdef,x'])
def test_a_secret_is_in_no_message(values: str) -> None:
    with pytest.raises(ValueError, match="hidden") as refused:
        read_sweep([f"env.HF_TOKEN={values}"])
    assert "abcdef" not in str(refused.value)


@pytest.mark.parametrize(
    "word",
    ["seed=9007199254740993,9007199254740992", "env.LEVEL=1,1.0", "env.ON=true,True", "x=1,true"],
)
def test_values_that_the_trainer_tells_apart_are_two(word: str) -> None:
    assert len(set(suffixes(word))) == 2


def test_there_is_a_most_number_of_runs() -> None:
    numbers = ",".join(map(str, range(20)))
    with pytest.raises(ValueError, match=f"20 x 20 values are 400 runs.*at most {MOST_RUNS}"):
        combinations(read_sweep([f"a={numbers}", f"b={numbers}"]))


# ----------------------------------------------------------------- names


def test_a_path_is_named_by_its_file_and_a_sign_stays() -> None:
    assert suffixes("network_weights=/a/first.safetensors,/b/second.safetensors") == [
        "networkweigh-first", "networkweigh-second",
    ]  # fmt: skip
    assert suffixes("noise_offset=-0.1,0.1") == ["noise-0.1", "noise0.1"]
    assert suffixes("flip_aug=true,false") == ["flipaug-true", "flipaug-false"]


def test_names_that_would_be_equal_also_without_case_get_a_digest_that_stays() -> None:
    first = suffixes("x=/a/same,/b/same,/c/other")
    assert first == suffixes("x=/a/same,/b/same,/c/other")
    assert first[2] == "x-other" and first[0] != first[1]
    assert first[0].startswith("x-same-")
    assert len({name.casefold() for name in suffixes("env.A=a,A")}) == 2


value = st.text(st.characters(codec="utf-8", exclude_characters="\n\0'\"[],"), min_size=1)


@given(st.lists(value.filter(str.strip), min_size=2, max_size=12, unique_by=str.strip))
def test_any_values_make_valid_bounded_and_different_names(values: list[str]) -> None:
    try:
        found = suffixes(f"some_flag={','.join(values)}", "network_dim=1,2,3")
    except ValueError as error:
        assert "same value twice" in str(error)
        return
    assert len({name.casefold() for name in found}) == len(found)
    for name in found:
        assert len(name) <= SUFFIX_CHARACTERS + 17
        assert not set(name) - set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"
        )
        assert name[0] not in ".-" and name[-1] not in ".-"


def test_a_long_base_name_loses_its_end_and_never_the_suffix() -> None:
    name = named("é" * 200, "lr1e-4")
    assert name.endswith("-lr1e-4") and len(name.encode()) < 140
    assert named("spyke", "lr1e-4") == "spyke-lr1e-4"
