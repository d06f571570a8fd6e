"""Computing the direction: the means by brute force, the two rules on candidates made by hand, and a whole search.

A random model refuses nothing, so here “refusing” is beginning with a token of one half of the vocabulary.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core import Edits, Engine, InputError, Measurement
from core.edits.direction import load_direction, make_direction, save_direction
from core.measures import direction_search
from core.measures.direction_search import Candidate, mean_last, pick, score, search
from core.measures.direction_sources import computed_file, split_sides, stored_direction
from core.paths import cache_folder
from core.prompts.shipped import prompts_file
from tests.judges import judging
from tests.oracles import PROMPTS, slow
from tests.replaced_files import OTHER

NOUNS = ["bread", "town", "story", "cat", "dog", "help", "place", "small", "large", "old", "new", "red"]
#: An answer counts as refused when its length is odd.
ODD = judging(lambda text: "refused" if len(text) % 2 else "complied")
FAST = 3  # tokens an answer; enough here
TEXTS = [f"How do I {verb} a {noun}?" for verb in ("bake", "tell", "help", "find", "see") for noun in NOUNS]


@pytest.fixture(scope="module")
def sorted_texts(tiny):
    """(refusal tokens, refused texts, others): half of the vocabulary, such that both sides have many texts."""
    from tests.oracles import fast_logits

    p = fast_logits(tiny, TEXTS, [Edits()])[:, 0].softmax(-1)
    for seed in range(100):
        half = torch.randperm(p.shape[1], generator=torch.Generator().manual_seed(seed))[: p.shape[1] // 2]
        refused = (p[:, half].sum(-1) > 0.5).tolist()
        if 25 <= sum(refused) <= len(TEXTS) - 25:
            break
    tokens = tuple(half.tolist())
    sides = [[t for t, r in zip(TEXTS, refused, strict=True) if r is want] for want in (True, False)]
    assert min(map(len, sides)) >= 25
    return tokens, *sides


@pytest.fixture
def refusing(tiny, sorted_texts, tmp_path, monkeypatch):
    """An engine of its own that “refuses” some texts, with an empty cache and no direction yet.

    Its answers are no English, so one counts as refused when its length is odd.
    """
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    spec = replace(tiny.spec, refusal_tokens=sorted_texts[0])
    monkeypatch.setattr(direction_search, "rules_judge", lambda runtime: ODD)
    return Engine(replace(tiny.runtime, spec=spec), "for a test")


def candidate(layer, flip=0.0, ablated=0.0, kl=0.0, induced=0.0, degenerate=0.0):
    return Candidate(layer, 1.0, flip, degenerate, ablated, kl, induced)


def test_means_are_those_of_the_last_positions(tiny, plain, tiny_saes):
    found = mean_last(tiny.runtime, [tiny.prompt(text) for text in PROMPTS])
    runs = [slow(plain, tiny_saes, tiny.prompt(text)) for text in PROMPTS]
    for layer in range(4):
        expected = torch.stack([run.after[layer][-1].double() for run in runs]).mean(0)
        torch.testing.assert_close(found[layer], expected, rtol=0, atol=1e-5)  # float32 activations of size 10
    assert found.dtype == torch.float64 and found.shape == (4, 32)


def test_the_mean_of_one_prompt_is_its_own(tiny, plain, tiny_saes):
    found = mean_last(tiny.runtime, [tiny.prompt(PROMPTS[0])])
    last = slow(plain, tiny_saes, tiny.prompt(PROMPTS[0])).after[3][-1].double()
    torch.testing.assert_close(found[3], last, rtol=0, atol=1e-5)


def test_the_papers_rule_takes_the_highest_flip_rate_and_then_the_lowest_kl():
    tried = [candidate(0, 0.2, kl=0.0), candidate(1, 0.9, kl=3.0), candidate(2, 0.9, kl=1.0), candidate(3, 0.8)]
    assert pick(tried, "paper", 4) == 2
    assert pick([candidate(0, 0.0, kl=2.0), candidate(1, 0.0, kl=1.0)], "paper", 2) == 1
    assert pick([candidate(0, 0.5), candidate(1, 0.5)], "paper", 2) == 0  # all else equal, the earlier


def test_arditis_rule_takes_the_lowest_score_within_its_limits():
    fits = candidate(5, ablated=-3)
    outside = [
        candidate(8, ablated=-9),  # of 10 layers, from 8 on is too deep
        candidate(4, ablated=-9, kl=0.11),
        candidate(3, ablated=-9, induced=-0.1),
        candidate(2, ablated=float("nan")),
        candidate(1, ablated=-2, kl=0.1, induced=0.0),  # at the limits is within them
    ]
    assert pick([*outside, fits], "arditi", 10) == 5
    assert pick(outside, "arditi", 10) == 1
    assert pick(outside[:4], "arditi", 10) is None


def test_prompts_are_filtered_by_their_own_scores(refusing, sorted_texts):
    _, refused, others = sorted_texts
    prompts = [refusing.prompt(text) for text in TEXTS]
    assert [p.text for p in direction_search.filter_by_refusal(refusing.runtime, prompts, True)] == refused
    assert [p.text for p in direction_search.filter_by_refusal(refusing.runtime, prompts, False)] == others
    assert direction_search.filter_by_refusal(refusing.runtime, [], True) == []


def test_a_direction_says_whether_the_model_was_let_think(refusing, sorted_texts):
    _, refused, others = sorted_texts
    runtime = refusing.runtime
    for thinks, said in ((True, "on"), (False, "off"), (None, None)):
        engine = Engine(replace(runtime, template=replace(runtime.template, thinking=thinks)), "for a test")
        found = engine.compute_direction(refused, others, keep=False, max_new_tokens=FAST)
        assert found.provenance.get("thinking") == said


def test_scores_are_what_measuring_says(refusing, sorted_texts):
    _, refused, others = sorted_texts
    first = refusing.compute_direction(refused, others, keep=False, max_new_tokens=FAST)
    runtime, harmful, harmless = refusing.runtime, refused[:5], others[:5]
    made = [[refusing.prompt(text) for text in side] for side in (harmful, harmless)]
    (found,) = score(runtime, [first], *made, 4, lambda *_: None, ODD)
    off, on = Edits.ablate_direction(first), Edits.add_direction(first, first.norm)
    assert found.layer == first.layer and found.norm == first.norm
    assert found.ablated_score == pytest.approx(refusing.measure(harmful, off).refusal_score.mean(), abs=1e-6)
    assert found.induced_score == pytest.approx(refusing.measure(harmless, on).refusal_score.mean(), abs=1e-6)
    assert found.kl == pytest.approx(refusing.kl(harmless, [off]).mean(), abs=1e-6)
    before = [len(a) % 2 for (a,) in refusing.answers(harmful, [Edits()], 4)]
    after = [1 - len(a) % 2 for (a,) in refusing.answers(harmful, [off], 4)]
    flipped = [b for a, b in zip(before, after, strict=True) if a]
    assert found.flip_rate == (np.mean(flipped) if flipped else 0) and found.degenerate_rate == 0


def test_a_search_finds_the_difference_of_means_and_keeps_its_record(refusing, sorted_texts):
    _, refused, others = sorted_texts
    seen = []
    found = refusing.compute_direction(refused, others, max_new_tokens=FAST, progress=lambda *now: seen.append(now))
    assert refusing.direction() is found and refusing.has_direction
    cuts = round(0.8 * len(refused)), round(0.8 * len(others))
    made = [[refusing.prompt(text) for text in side] for side in (refused[: cuts[0]], others[: cuts[1]])]
    raw = mean_last(refusing.runtime, made[0]) - mean_last(refusing.runtime, made[1])
    torch.testing.assert_close(found.vector.double() * found.norm, raw[found.layer], rtol=0, atol=1e-5)
    record = found.provenance
    assert record["rule"] == "paper" and record["chosen"]["paper"] == found.layer and record["dropped"] == 0
    assert record["n"] == {
        "harmful_train": cuts[0],
        "harmful_val": len(refused) - cuts[0],
        "harmless_train": cuts[1],
        "harmless_val": len(others) - cuts[1],
    }
    assert [c["layer"] for c in record["candidates"]] == [0, 1, 2, 3] and record["dtype"] == "float32"
    shares = [share for _, share in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and all(isinstance(m, str) for m, _ in seen)


def test_where_the_paper_names_a_layer_that_is_the_usual_one(refusing, sorted_texts):
    free = refusing.compute_direction(*sorted_texts[1:], keep=False, max_new_tokens=FAST)
    layer = (free.layer + 1) % 4
    named = Engine(replace(refusing.runtime, spec=replace(refusing.spec, steering_layer=layer)), "its layer is known")
    found = named.compute_direction(*sorted_texts[1:], keep=False, max_new_tokens=FAST)
    record = found.provenance
    assert found.layer == layer and record["rule"] == "published" and record["chosen"] == {"published": layer}
    assert record["candidates"] == [c for c in free.provenance["candidates"] if c["layer"] == layer]
    assert named.compute_direction(*sorted_texts[1:], rule="paper", keep=False, max_new_tokens=FAST) == free
    for engine in (refusing, Engine(replace(refusing.runtime, spec=replace(refusing.spec, steering_layer=4)), "above")):
        with pytest.raises(InputError, match="No layer is published"):
            engine.compute_direction(*sorted_texts[1:], rule="published", max_new_tokens=FAST)


def test_a_kept_direction_is_there_at_the_next_start(refusing, sorted_texts):
    found = refusing.compute_direction(*sorted_texts[1:], max_new_tokens=FAST)
    again = Engine(refusing.runtime, "the next start").direction()
    assert again == found and again.provenance == found.provenance
    assert load_direction(cache_folder() / "directions" / "tiny.safetensors") == found


def test_a_kept_direction_is_not_used_with_other_weights_of_that_name(refusing, sorted_texts, caplog):
    found = refusing.compute_direction(*sorted_texts[1:], max_new_tokens=FAST)
    assert found.provenance["weights"] == refusing.runtime.digests.weights
    same = Engine(refusing.runtime, "for a test")
    assert same.direction() == found and not caplog.text
    other = Engine(replace(refusing.runtime, digests=same.runtime.digests._replace(weights=OTHER)), "for a test")
    assert not other.has_direction and not other.has_direction
    assert caplog.text.count("is not used, because it is of other model files") == 1
    with pytest.raises(InputError, match="has no refusal direction"):
        other.direction()


def test_a_kept_direction_that_names_no_weights_is_used_and_this_is_said(tiny_spec, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    spec, old = replace(tiny_spec, name="older"), make_direction(torch.ones(32), 2)
    save_direction(old, computed_file("older"))
    assert stored_direction(spec, 32) == old and not caplog.text, "the caller compares it"
    assert stored_direction(spec, 32, OTHER) == old and "did not keep of which weights it is" in caplog.text
    assert stored_direction(spec, 31, OTHER) is None
    caplog.clear()
    save_direction(make_direction(torch.ones(32), 2), tmp_path / "shipped.safetensors")  # an asset names none either
    assert stored_direction(replace(spec, name="new", direction=tmp_path / "shipped.safetensors"), 32, OTHER) == old
    assert not caplog.text


def test_a_direction_not_kept_changes_nothing(refusing, sorted_texts, tiny):
    refusing.compute_direction(*sorted_texts[1:], keep=False, max_new_tokens=FAST)
    assert not refusing.has_direction and not list(cache_folder().glob("directions/*"))
    refusing.use_direction(tiny.direction())
    found = refusing.compute_direction(*sorted_texts[1:], keep=False, max_new_tokens=FAST)
    assert refusing.direction() is tiny.direction() and found != tiny.direction()


def test_the_same_search_twice_finds_the_same(refusing, sorted_texts):
    one, two = (refusing.compute_direction(*sorted_texts[1:], keep=False, max_new_tokens=FAST) for _ in range(2))
    assert one == two and one.provenance == two.provenance


def test_bundled_prompts_are_used_where_none_are_given(refusing, sorted_texts):
    engine = with_prompts(refusing, sorted_texts)
    record = engine.compute_direction(keep=False, max_new_tokens=FAST).provenance
    assert record["n"]["harmful_train"] == len(sorted_texts[1]) - 5 and record["n"]["harmful_val"] == 5


def with_prompts(engine, sorted_texts):
    """The same engine, its spec naming a file of bundled prompts."""
    rows = ["kind,pair,split,category,text"]
    for kind, texts in (("harmful", sorted_texts[1]), ("benign", sorted_texts[2])):
        rows += [f"{kind},0,{'val' if i < 5 else 'train'},x,{text}" for i, text in enumerate(texts)]
    path = cache_folder() / "prompts.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    spec = replace(engine.spec, prompts=path)
    return Engine(replace(engine.runtime, spec=spec), "for a test")


@pytest.mark.parametrize("where", [0.0, 0.1, 0.15, 0.5, 1.0])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_search_stopped_from_its_progress_callback_leaves_nothing_behind(refusing, sorted_texts, where, error):
    def progress(message, share):
        if share >= where:
            raise error(message)

    with pytest.raises(error):
        refusing.compute_direction(*sorted_texts[1:], max_new_tokens=FAST, progress=progress)
    assert not refusing.has_direction and not list(cache_folder().glob("directions/*"))
    assert refusing.runtime.lock.acquire(timeout=1)
    refusing.runtime.lock.release()


def test_too_few_prompts_are_said_so(refusing, sorted_texts):
    _, refused, others = sorted_texts
    for harmful, harmless in ((refused[:1], others), (refused, others[:2]), (others[:4], others[4:]), ([], others)):
        with pytest.raises(InputError, match="Too few prompts are left"):
            refusing.compute_direction(harmful, harmless)


def test_prompts_that_stand_in_both_lists_are_refused_before_anything_is_computed(tiny):
    both = "1 prompt stands in the harmful and in the harmless list"
    with pytest.raises(InputError, match=both):
        tiny.compute_direction(["How do I bake?", "Where is it?"], ["how do I  BAKE?", "Who?"])


@pytest.mark.parametrize(
    "arguments",
    [
        {"rule": "best"},
        {"validation": 0},
        {"validation": 1},
        {"validation": float("nan")},
        {"harmful": None},
        {"harmless": None},
        {"harmful": "How?"},
        {"harmful": 7},
        {"harmful": [""] * 9},
    ],
)
def test_a_search_asked_for_wrongly_says_so_before_it_starts(refusing, sorted_texts, monkeypatch, arguments):
    monkeypatch.setattr(direction_search, "run", None)
    monkeypatch.setattr(direction_search, "measure", None)
    with pytest.raises(InputError):
        refusing.compute_direction(**{"harmful": sorted_texts[1], "harmless": sorted_texts[2]} | arguments)


def test_a_rule_no_layer_satisfies_names_the_other(refusing, sorted_texts, monkeypatch):
    monkeypatch.setattr(direction_search, "KL_LIMIT", -1.0)
    with pytest.raises(InputError, match="choose the rule “paper”"):
        refusing.compute_direction(*sorted_texts[1:], rule="arditi", max_new_tokens=FAST)


def test_searching_works_on_prompts_alone(refusing, sorted_texts):
    """`search` is given made prompts; the engine is not needed."""
    sides = [[refusing.prompt(text) for text in side] for side in sorted_texts[1:]]
    found = search(refusing.runtime, (sides[0][4:], sides[0][:4]), (sides[1][4:], sides[1][:4]), "paper", FAST, print)
    assert isinstance(refusing.measure(TEXTS[0], Edits.ablate_direction(found)), Measurement)


def test_the_balanced_rule_prefers_low_kl_among_layers_no_worse_than_sampling_error():
    # 30 of 31 flips: the 95% Wilson interval reaches down to 0.838, so 27 of 31 (0.87) is as good and 25 of 31 is not
    made = [
        Candidate(24, 1.0, 30 / 31, 0.0, -3.2, 3.5, 3.1, 31),
        Candidate(15, 1.0, 27 / 31, 0.1, -4.8, 0.8, 7.0, 31),
        Candidate(14, 1.0, 25 / 31, 0.0, -2.6, 0.2, 2.8, 31),
    ]
    assert pick(made, "balanced", 30) == 15
    assert pick(made, "paper", 30) == 24
    assert pick([replace(c, tried=0) for c in made], "balanced", 30) == 24  # nothing known of the sample: no slack


def test_without_prompts_of_its_own_a_model_is_asked_the_bundled_ones(tiny_spec):
    assert tiny_spec.prompts is None
    harmful, harmless = split_sides(tiny_spec, None, None, 0.2)
    assert (harmful, harmless) == split_sides(replace(tiny_spec, prompts=prompts_file()), None, None, 0.2)
    assert all(len(part) > 8 for part in (*harmful, *harmless))
