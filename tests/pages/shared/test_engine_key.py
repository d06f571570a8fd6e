"""What pages remember of an engine is told apart by all that a number depends on, files that were replaced included."""

from pages.shared.engine import engine_key
from tests.replaced_files import with_other_sae, with_other_weights


def test_other_weights_or_saes_under_the_same_names_have_another_key(tiny):
    every = [tiny, with_other_weights(tiny), with_other_sae(tiny, 1), with_other_sae(tiny, 3)]
    assert len({engine_key(engine) for engine in every}) == 4
    assert engine_key(with_other_weights(tiny)) == engine_key(with_other_weights(tiny))
