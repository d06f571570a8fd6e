"""Which model and SAEs edits are for: what is not known is no difference, and only SAEs of named layers count."""

from hypothesis import given
from hypothesis import strategies as some

from pages.shared.workspace import origin
from pages.shared.workspace.origin import NOT_KNOWN, Origin, is_other, other_layers

HERE = origin.origin("tiny", {2: "bbbbbbbb", 1: "aaaaaaaa"})
digests = some.dictionaries(some.integers(0, 200), some.text("0123456789abcdef", min_size=16, max_size=16))


def test_another_model_or_another_sae_of_a_layer_that_counts_is_other():
    assert Origin("tiny", ((1, "aaaaaa"), (2, "bbbbbb"))) == HERE
    assert not is_other(HERE, HERE, {1, 2}) and not is_other(NOT_KNOWN, HERE, {1, 2})
    assert is_other(HERE._replace(model="other"), HERE, ())
    replaced = Origin("tiny", ((1, "aaaaaa"), (2, "ffffff"), (7, "cccccc")))
    assert other_layers(replaced, HERE, {1, 2, 7}) == (2,), "a layer without an SAE here is no other SAE"
    assert not is_other(replaced, HERE, {1}) and is_other(replaced, HERE, {2})


@given(digests)
def test_saes_come_back_from_an_address_as_they_went(found):
    there = origin.origin("m", found)
    assert origin.read("m", origin.write_saes(there, set(found))) == there


def test_what_cannot_be_read_of_an_address_is_left_out():
    assert origin.read("x", "what,1.abc,1.aaaaaag, 2.bbbbbb,-1.aaaaaa,99999.aaaaaa") == Origin("x", ((2, "bbbbbb"),))
