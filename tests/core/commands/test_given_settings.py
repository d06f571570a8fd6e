"""`--stages` and `--set`: each setting once, from whichever of the two it comes."""

import pytest

from core.commands.given_settings import settings_given
from core.errors import InputError


def test_settings_are_read_as_json_and_as_words():
    assert settings_given(None, []) == {"stages": [1, 2, 3]}
    given = settings_given("1, 2", ["tokens=4", " reading = fixed", "k_steps=[2,5]", "name=a=b"])
    assert given == {"stages": [1, 2], "tokens": 4, "reading": "fixed", "k_steps": [2, 5], "name": "a=b"}
    assert settings_given(None, ["stages=[1]"]) == {"stages": [1]}


@pytest.mark.parametrize(
    ("stages", "words", "says"),
    [
        (None, ["tokens=4", "tokens=5"], "--set gives “tokens” twice"),
        (None, ["tokens=4", "seed=1", "tokens =4"], "--set gives “tokens” twice"),
        ("1", ["stages=[1,2]"], "--stages and --set both give the stages"),
        ("1", ["stages=[1]"], "--stages and --set both give the stages"),
        (None, ["tokens"], "“tokens” is not a setting"),
    ],
)
def test_a_setting_given_twice_is_refused(stages, words, says):
    with pytest.raises(InputError, match=says):
        settings_given(stages, words)
