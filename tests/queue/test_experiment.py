from __future__ import annotations

import pytest

from training_pro.errors import SettingsError
from training_pro.queue.experiment import experiment_from, experiment_settings, run_name
from training_pro.record.names import check_name
from training_pro.settings import Settings, to_dict

BASE = Settings(name="tales", text_file="a.txt")


def test_one_setting_over_several_values_and_all_else_equal() -> None:
    experiment = experiment_from(BASE, "gradient_accumulation_steps", "1, 2,4")
    runs = experiment.runs()
    assert [run.name for run in runs] == ["tales-accumulation-1", "tales-accumulation-2", "tales-accumulation-4"]
    assert [run.gradient_accumulation_steps for run in runs] == [1, 2, 4]
    for run in runs:
        differ = {name for name, value in to_dict(run).items() if value != to_dict(BASE)[name]}
        assert differ <= {"name", "gradient_accumulation_steps"}


@pytest.mark.parametrize(
    ("over", "typed", "values"),
    [
        ("learning_rate", "1e-4,3e-4", (1e-4, 3e-4)),
        ("use_rslora", "off, on", (False, True)),
        ("targets", "q-v,all-linear", ("q-v", "all-linear")),
        ("lr_scheduler_type", "cosine,linear", ("cosine", "linear")),
        ("max_tokens", "128.0,256", (128, 256)),
    ],
)
def test_numbers_switches_and_choices_are_typed_with_commas(over: str, typed: str, values: tuple[object, ...]) -> None:
    assert experiment_from(BASE, over, typed).values == values


def test_every_name_is_one_that_a_lora_can_have() -> None:
    for over, typed in (("dropout", "0.05,1e-05"), ("targets", "own list,q-v"), ("seed", "1,2")):
        names = [check_name(run.name) for run in experiment_from(BASE, over, typed).runs()]
        assert len(set(names)) == 2
    assert run_name("a-dropout", 0.05) == "a-dropout-0_05"


@pytest.mark.parametrize(
    ("base", "over", "typed", "said"),
    [
        (BASE, "rank", "8", ["2 to 50"]),
        (BASE, "rank", "0,many,,8,8", ["'0'; it must be from 1", "'many'", "empty value", "more than once"]),
        (BASE, "targets", "q-v,nonsense", ["one of"]),
        (BASE, "use_dora", "on,perhaps", ["true or false"]),
        (BASE, "text_file", "a.txt,b.txt", ["can't be the subject of an experiment"]),
        (BASE, "override", "on,off", ["can't be the subject of an experiment"]),
        (BASE, "", "1,2", ["can't be the subject of an experiment"]),
        (Settings(name="a.b"), "rank", "0,1", ["has a dot", "LoRA Rank"]),
    ],
)
def test_all_faults_of_an_experiment_at_once(base: Settings, over: str, typed: str, said: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        experiment_from(base, over, typed)
    for words in said:
        assert words in str(caught.value)
    assert len(caught.value.faults) == len(said)


def test_what_can_be_experimented_with() -> None:
    assert {"rank", "gradient_accumulation_steps", "use_dora", "eos", "optimizer"} <= set(experiment_settings())
    assert not {"name", "text_file", "sample_prompts", "override", "hard_cut"} & set(experiment_settings())
