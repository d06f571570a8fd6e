"""Settings: what is stored is what is read back, and nonsense is one sentence."""

import pytest

from core import InputError
from core.discovery.settings import Settings


def test_they_survive_being_stored():
    made = Settings(stages=(1, 2), tokens=7, thresholds=(0.25, 0.5), reading="fixed", keep_answers=True)
    assert Settings.from_json(made.to_json()) == made
    assert Settings.from_json("{}") == Settings()


def test_plain_values_take_the_kind_of_their_default():
    assert Settings.from_values({"k_steps": [1.0, 2], "tokens": 8.0}).k_steps == (1, 2)


@pytest.mark.parametrize(
    "values",
    [
        {"stages": [2]},
        {"stages": []},
        {"stages": [1, 2, 3, 4]},
        {"k_steps": [20, 10]},
        {"k_steps": []},
        {"thresholds": [0.0]},
        {"tokens": 0},
        {"tokens": 1.5},
        {"tokens": "many"},
        {"seeds": []},
        {"seeds": [1, 1]},
        {"reading": "backwards"},
        {"learning_rate": 0},
        {"embedding_size": 7},
        {"keep_answers": 1},
        {"k_steps": "10"},
        {"unknown": 1},
        {"seed": -1},
        {"thresholds": [float("nan")]},
        {"k_beside": [5, 3]},
        {"layers_counted_from": 2},
        {"step_two": "both"},
        {"scaling": "test rows"},
        {"nearness": "median"},
        {"main_threshold": 0.15},
        {"machine_seeds": 0},
        {"control_draws": -1},
        {"patience": -1},
        {"unaligned_cosine": 0},
        {"tokens": float("inf")},
        {"tokens": 10**400},
        {"tokens": True},
        {"learning_rate": float("nan")},
        {"seeds": [2**40]},
    ],
)
def test_nonsense_is_one_sentence(values):
    with pytest.raises(InputError) as found:
        Settings.from_values(values)
    assert str(found.value).endswith((".", "”.")) and "\n" not in str(found.value)


def test_the_paper_starts_at_ten_and_smaller_k_stand_beside():
    assert Settings().k_steps[0] == 10 and Settings().k_beside == (3, 5)
    assert Settings.from_values({"k_beside": []}).k_beside == ()


def test_one_threshold_is_fixed_beforehand():
    assert Settings().tau == 0.1 and Settings(main_threshold=0.4).tau == 0.4
    assert Settings.from_values({"thresholds": [0.02, 0.3]}).tau == 0.02


@pytest.mark.parametrize("text", ["", "[1]", "nonsense", "3"])
def test_what_is_no_settings_at_all(text):
    with pytest.raises(InputError):
        Settings.from_json(text)
