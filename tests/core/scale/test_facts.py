"""The first fact in which two workers are not alike, in words."""

from core.scale.facts import first_difference

TITLES = {"weights": "other model files", "device": "another kind of device"}


def test_it_is_the_first_in_order_with_both_values_unless_they_are_hidden():
    mine, its = {"weights": "0a", "device": "cpu"}, {"weights": "1b", "device": "cuda"}
    assert first_difference(mine, its, TITLES, ["weights"]) == "other model files"
    assert first_difference(mine, its, TITLES) == "other model files (1b, here 0a)"
    assert first_difference(mine, its | {"weights": "0a"}, TITLES) == "another kind of device (cuda, here cpu)"
    assert first_difference(mine | {"device": ""}, its | {"weights": "0a"}, TITLES).endswith("(cuda, here none)")
    assert first_difference(mine, dict(mine), TITLES) == ""
