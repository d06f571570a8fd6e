"""Recovery against plain transformers with hooks, its identities, and its figures by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core import Edits, Engine, Feature, InputError
from core.forward.token_budget import at_most
from core.measures.recovery import LEAST_GAP, Gap, over_prompts
from core.prompts.answered import with_answer
from core.prompts.references import Reference
from core.prompts.template import read_template
from tests.conftest import make_tokenizer
from tests.oracles import PLACES, PROMPTS, random_conditional_edits, random_edits, slow

ANSWERS = (
    "Mix flour and water, then bake it.",
    "Once there was a small town",
    "I help",
    "Bake it in the oven of the cat, then tell the dog a story.",
)
REFERENCES = [Reference(prompt, answer, 0.5) for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)]
CLOSE = {"rtol": 0, "atol": 1e-4}  # float32 sums in another order


def slow_nll(plain, saes, engine, reference, edits) -> float:
    """One row, everything computed at once with plain hooks; tokens by the tokenizer's own call. Without a template the
    answer goes on with the text, after a blank."""
    prompt = engine.prompt(reference.prompt)
    said = reference.answer if engine.runtime.template.after else f" {reference.answer}"
    answer = tuple(engine.tokenizer(said, add_special_tokens=False).input_ids)
    logits = slow(plain, saes, prompt, edits, answer).logits[len(prompt) - 1 : -1]
    return float(cross_entropy(logits.double(), torch.tensor(answer)))


def edited(found) -> np.ndarray:
    return np.array([[gap.edited for gap in row] for row in found])


@pytest.mark.parametrize("seeds", [range(6), range(6, 12)])
def test_many_edits_on_many_prompts_are_those_of_the_slow_path(tiny, plain, tiny_saes, seeds):
    sets = [random_edits(seed, tiny.direction()) for seed in seeds]
    found = tiny.recovery(REFERENCES, sets)
    for one, row in zip(REFERENCES, found, strict=True):
        for edits, gap in zip(sets, row, strict=True):
            assert gap.edited == pytest.approx(slow_nll(plain, tiny_saes, tiny, one, edits), abs=1e-4)
            assert gap.unedited == pytest.approx(slow_nll(plain, tiny_saes, tiny, one, Edits()), abs=1e-4)


@pytest.mark.parametrize("place", PLACES)
def test_an_edit_acts_at_its_place_in_prompt_and_answer(tiny, plain, tiny_saes, place):
    edits = Edits.clamp([Feature(2, 5), Feature(3, 7)], 6.0, place)
    for one, (gap,) in zip(REFERENCES, tiny.recovery(REFERENCES, [edits]), strict=True):
        assert gap.edited == pytest.approx(slow_nll(plain, tiny_saes, tiny, one, edits), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_edits_on_a_condition_too(tiny, plain, tiny_saes, seed):
    edits = random_conditional_edits(seed, tiny.direction())
    ((gap,),) = tiny.recovery(REFERENCES[:1], [edits])
    assert gap.edited == pytest.approx(slow_nll(plain, tiny_saes, tiny, REFERENCES[0], edits), abs=1e-4)


def test_an_edit_on_generated_tokens_leaves_the_first_of_them_as_it_was(tiny):
    edits = Edits.clamp([Feature(3, 7)], 9.0, "generated")
    one_token = replace(REFERENCES[0], answer="I")
    ((gap,),) = tiny.recovery([one_token], [edits])
    assert len(tiny.tokenizer("I", add_special_tokens=False).input_ids) == 1
    assert gap.edited == pytest.approx(gap.unedited, abs=1e-6)


def test_no_edit_recovers_exactly_nothing(tiny):
    for row in tiny.recovery(REFERENCES, [Edits(), Edits.ablate([Feature(3, 7)]), Edits()]):
        assert row[0].edited == row[0].unedited == row[1].unedited == row[2].edited
        assert row[0].recovery == row[2].recovery == 0.0
    nothing = over_prompts(row[0] for row in tiny.recovery(REFERENCES, [Edits()]))
    assert nothing.share == 0.0 and math.isnan(nothing.low), "where all values are the same, no interval is given"


def test_the_model_that_wrote_it_recovers_all(tiny):
    """The edited model's own NLL given as the writer's: the edit closes the whole gap."""
    edits = Edits.clamp([Feature(1, i) for i in range(12)], 3.0)
    before = [row[0] for row in tiny.recovery(REFERENCES, [edits])]
    written = [replace(one, nll=gap.edited) for one, gap in zip(REFERENCES, before, strict=True)]
    gaps = [row[0] for row in tiny.recovery(written, [edits])]
    kept = [gap for gap in gaps if gap.width >= LEAST_GAP]
    assert kept and all(gap.recovery == 1.0 for gap in kept)
    assert over_prompts(gaps).share == pytest.approx(1.0, abs=1e-12)


def test_a_dormant_feature_ablated_changes_nothing_and_twice_is_once(tiny):
    frame = tiny.features(REFERENCES[0].prompt)
    active = set(zip(frame["layer"], frame["index"], strict=True))
    fires = [Feature(int(a), int(b)) for a, b in sorted(active)][:5]
    once, twice = Edits.ablate(fires), Edits.ablate(fires) + Edits.ablate(fires)
    ((first, second),) = tiny.recovery(REFERENCES[:1], [once, twice])
    assert first.edited == pytest.approx(second.edited, abs=1e-6)


def test_a_batch_is_its_rows_one_at_a_time_whatever_the_budget(tiny):
    sets = [random_edits(seed, tiny.direction()) for seed in (3, 4, 5)]
    whole = edited(tiny.recovery(REFERENCES, sets))
    with at_most(1):
        np.testing.assert_allclose(edited(tiny.recovery(REFERENCES, sets)), whole, **CLOSE)
    alone = [[tiny.recovery([one], [edits])[0][0].edited for edits in sets] for one in REFERENCES]
    np.testing.assert_allclose(alone, whole, **CLOSE)


def test_two_answers_to_one_prompt_share_no_more_than_the_prompt(tiny, plain, tiny_saes):
    """The shared prefix would reach into the answers, whose first tokens are predicted at the prompt's last."""
    both = [replace(REFERENCES[0], answer=text) for text in ("I help you", "I help the cat")]
    edits = Edits.ablate([Feature(2, index) for index in range(0, 48, 3)])
    for one, (gap,) in zip(both, tiny.recovery(both, [edits]), strict=True):
        assert gap.edited == pytest.approx(slow_nll(plain, tiny_saes, tiny, one, edits), abs=1e-4)


def test_special_tokens_spelt_in_an_answer_stay_letters(tiny):
    made = with_answer(tiny.tokenizer, tiny.prompt("I"), "a <|end|> of a town", tiny.context_length)
    start, end = made.spans["generated"]
    assert end == len(made) and tiny.tokenizer.eos_token_id not in made.ids[start:]
    assert "".join(made.pieces[start:]) == "a <|end|> of a town"


def test_without_a_chat_template_it_works_the_same(tiny, plain, tiny_saes):
    bare = make_tokenizer()
    bare.chat_template = None
    engine = Engine(replace(tiny.runtime, tokenizer=bare, template=read_template(bare)), "for a test")
    edits = random_edits(4, tiny.direction())
    for one, (gap,) in zip(REFERENCES, engine.recovery(REFERENCES, [edits]), strict=True):
        assert gap.edited == pytest.approx(slow_nll(plain, tiny_saes, engine, one, edits), abs=1e-4)


def test_the_writer_s_nll_is_taken_a_token_of_this_model(tiny):
    own = len(tiny.tokenizer(ANSWERS[0], add_special_tokens=False).input_ids)
    ((gap,),) = tiny.recovery([replace(REFERENCES[0], nll=0.5, tokens=2 * own)], [Edits()])
    assert gap.reference == pytest.approx(1.0) and not gap.floor  # the same nats in all, in half as many tokens
    ((gap,),) = tiny.recovery([replace(REFERENCES[0], nll=None)], [Edits()])
    assert gap.reference == 0.0 and gap.floor


def test_bad_input_is_one_sentence(tiny):
    with pytest.raises(InputError, match="answer is empty"):
        tiny.recovery([Reference("I", "  ")], [Edits()])
    with pytest.raises(InputError, match="Shorten the answer"):
        tiny.recovery([Reference("I", "cat " * 300)], [Edits()])
    with pytest.raises(InputError, match="No prompt"):
        tiny.recovery([], [Edits()])
    with pytest.raises(InputError):
        tiny.recovery(REFERENCES, [Edits.ablate([Feature(0, 1)])])


def test_the_ratio_is_of_sums_and_what_has_no_gap_is_left_out():
    gaps = [Gap(2.0, 1.5, 1.0), Gap(3.0, 1.0, 1.0), Gap(1.0, 0.4, 1.0), Gap(1.0, 0.4, 1.2), Gap(4.0, 4.0, 0.0, True)]
    found = over_prompts(gaps)
    assert found.share == pytest.approx((0.5 + 2.0 + 0.0) / (1.0 + 2.0 + 4.0))
    assert (found.n, found.no_gap, found.floor) == (3, 2, 1)
    assert gaps[0].recovery == 0.5 and math.isnan(gaps[2].recovery) and math.isnan(gaps[3].recovery)
    assert Gap(1.0, 1.5, 0.0).recovery == -0.5


def test_the_interval_is_a_bootstrap_over_prompts():
    draw = np.random.default_rng(0)
    gaps = [Gap(u, e, 0.5) for u, e in zip(2 + draw.random(60), 1 + draw.random(60), strict=True)]
    found, again = over_prompts(gaps), over_prompts(gaps)
    assert found == again and found.low < found.share < found.high
    numerator = np.array([g.unedited - g.edited for g in gaps])
    width = np.array([g.width for g in gaps])
    slow_draws = np.random.default_rng(7)
    ratios = []
    for _ in range(4000):
        rows = slow_draws.integers(60, size=60)
        ratios.append(numerator[rows].sum() / width[rows].sum())
    np.testing.assert_allclose((found.low, found.high), np.quantile(ratios, (0.025, 0.975)), atol=0.01)
    same = over_prompts([Gap(2.0, 1.0, 0.0)] * 5)
    assert same.share == 0.5 and math.isnan(same.low) and math.isnan(same.high)
    single = over_prompts(gaps[:1])
    assert single.n == 1 and math.isnan(single.low) and str(single).endswith("(n = 1)")
    nothing = over_prompts([Gap(1.0, 0.5, 1.0)])
    assert nothing.n == 0 and nothing.no_gap == 1 and math.isnan(nothing.share) and str(nothing) == "– (n = 0)"
