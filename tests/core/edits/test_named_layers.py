"""Which layers' SAEs edits are about."""

from core.edits.named_layers import named_layers


def test_layers_of_features_and_of_conditions_count_and_what_is_no_edit_names_none():
    assert named_layers(["12-40", "14-7=6*0.5@bos?13-7>2", "12-1", "direction", "what", ""]) == {12, 13, 14}
    assert named_layers([]) == frozenset()
