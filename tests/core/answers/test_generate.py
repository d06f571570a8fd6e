"""Answers under edits: with a cache and in batches, the same tokens as computing everything anew."""

from dataclasses import replace

import pytest
import torch

from core import Edits, Engine, Feature
from core.answers import generate
from core.forward.token_budget import at_most
from tests.oracles import PLACES, PROMPTS, hooked, random_edits, slow_answer

MANY = [Feature(layer, index) for layer in (1, 2, 3) for index in range(0, 48, 7)]
TOKENS = 12


def expected(tiny, plain, saes, text, edits, tokens=TOKENS, stop=frozenset({1})):
    ids = slow_answer(plain, saes, tiny.prompt(text), edits, tokens, stop)
    return ids, tiny.runtime.tokenizer.decode(ids, skip_special_tokens=True)


def with_runtime(tiny, **changes):
    """The same model and hooks under another setting."""
    other = Engine(replace(tiny.runtime, **changes), "for a test")
    other.use_direction(tiny.direction())
    return other


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_an_answer_is_that_of_full_recomputation_at_every_place(tiny, plain, tiny_saes, place, value):
    edits = Edits.clamp(MANY, value, place)
    _, text = expected(tiny, plain, tiny_saes, PROMPTS[0], edits)
    assert "".join(tiny.generate(PROMPTS[0], edits, max_new_tokens=TOKENS)) == text
    assert tiny.answers([PROMPTS[0]], [edits], TOKENS) == [[text]]


@pytest.mark.parametrize("seed", range(16))
def test_any_mix_of_edits_answers_as_full_recomputation(tiny, plain, tiny_saes, seed):
    edits = random_edits(500 + seed, tiny.direction())
    _, text = expected(tiny, plain, tiny_saes, PROMPTS[seed % 4], edits)
    assert "".join(tiny.generate(PROMPTS[seed % 4], edits, max_new_tokens=TOKENS)) == text


def test_edits_on_generated_tokens_alone_leave_the_first_one(tiny, plain, tiny_saes):
    edits = Edits.clamp(MANY, 5.0, "generated")
    plainly, _ = expected(tiny, plain, tiny_saes, PROMPTS[1], Edits())
    edited, _ = expected(tiny, plain, tiny_saes, PROMPTS[1], edits)
    assert edited[0] == plainly[0] and edited != plainly


@pytest.mark.parametrize("first", range(600, 612, 4))
def test_answers_in_a_batch_are_those_one_by_one(tiny, first):
    """Prompts of four lengths under right padding, a shared prefix, four edit sets."""
    several = [random_edits(seed, tiny.direction()) for seed in range(first, first + 4)]
    alone = [["".join(tiny.generate(text, edits, TOKENS)) for edits in several] for text in PROMPTS]
    assert tiny.answers(PROMPTS, several, TOKENS) == alone


@pytest.mark.parametrize("budget", [1, 30, 90, 4096])
def test_prompts_with_edit_sets_of_their_own_are_answered_as_one_by_one(tiny, budget):
    """However many of their prompts fit into one pass: what each pass leaves behind is joined for the steps."""
    several = [random_edits(seed, tiny.direction()) for seed in range(620, 626)]
    asked = [(PROMPTS[n % len(PROMPTS)], several[n % 4]) for n in range(6)] + [(PROMPTS[1], several[5])] * 2
    with at_most(budget):
        prompts, edits = zip(*((tiny.prompt(text), one) for text, one in asked), strict=True)
        found = generate.answers_of(tiny.runtime, prompts, edits, TOKENS)
        product = tiny.answers(PROMPTS[:3], several[:2], TOKENS)
    assert found == ["".join(tiny.generate(text, edits, TOKENS)) for text, edits in asked]
    assert product == [["".join(tiny.generate(p, e, TOKENS)) for e in several[:2]] for p in PROMPTS[:3]]
    assert len({*found}) > 3


def test_no_pass_over_prompts_is_above_the_budget_and_a_step_holds_all_rows(tiny, shapes):
    edits = [Edits.clamp(MANY, value) for value in (0.0, 1.0, 2.0, 3.0)]
    longest = max(len(tiny.prompt(text)) for text in PROMPTS)
    with at_most(2 * longest):
        generate.answers_of(tiny.runtime, [tiny.prompt(t) for t in PROMPTS for _ in edits], edits * len(PROMPTS), 4)
    prompts, steps = [s for s in shapes if s[1] > 1], [s for s in shapes if s[1] == 1]
    assert all(rows * width <= 2 * longest for rows, width in prompts) and len(prompts) > 2
    assert max(rows for rows, _ in steps) > max(rows for rows, _ in prompts)


def test_rows_that_stop_early_leave_the_others_right(tiny, plain, tiny_saes):
    several = [Edits(), Edits.clamp(MANY, 5.0), Edits.clamp(MANY, 5.0, "bos")]
    answers = {(text, e): expected(tiny, plain, tiny_saes, text, e, stop=())[0] for text in PROMPTS for e in several}
    stop = frozenset({answers[PROMPTS[0], several[0]][4], answers[PROMPTS[1], several[1]][0]})
    stopping = with_runtime(tiny, stop_ids=stop)
    lengths = set()
    for text, row in zip(PROMPTS, stopping.answers(PROMPTS, several, TOKENS), strict=True):
        for edits, answer in zip(several, row, strict=True):
            ids, wanted = expected(tiny, plain, tiny_saes, text, edits, stop=stop)
            assert answer == wanted == "".join(stopping.generate(text, edits, TOKENS))
            lengths.add(len(ids))
    assert len(lengths) > 2 and 0 in lengths and TOKENS in lengths


def test_an_answer_that_stops_at_once_is_empty(tiny):
    stopping = with_runtime(tiny, stop_ids=frozenset(range(tiny.model.config.vocab_size)))
    assert list(stopping.generate(PROMPTS[0])) == [] and stopping.answers(PROMPTS[:2], [Edits()]) == [[""], [""]]


def test_the_end_token_of_tokenizer_and_model_stops_an_answer(tiny):
    assert tiny.runtime.stop_ids == {tiny.runtime.tokenizer.eos_token_id} == {tiny.model.generation_config.eos_token_id}


def test_a_small_token_budget_only_cuts_the_work_into_more_passes(tiny):
    several = [random_edits(seed, tiny.direction()) for seed in range(700, 706)]
    whole = tiny.answers(PROMPTS, several, 6)
    with at_most(20):
        assert tiny.answers(PROMPTS, several, 6) == whole


def test_an_answer_ends_where_the_context_does(tiny):
    room = 5
    longest = max(len(tiny.prompt(text)) for text in PROMPTS)
    short = with_runtime(tiny, context_length=longest + room - 1, stop_ids=frozenset())
    seen = []
    with hooked() as add:
        add(
            short.model.model.register_forward_pre_hook(
                lambda m, args, kwargs: seen.append(kwargs["position_ids"].max().item()), with_kwargs=True
            )
        )
        streamed = ["".join(short.generate(text, max_new_tokens=100)) for text in PROMPTS]
        assert [row[0] for row in short.answers(PROMPTS, [Edits()], 100)] == streamed
    assert max(seen) == short.runtime.context_length - 1  # no token is ever fed at a position the model has not


def test_pieces_come_one_by_one_and_make_up_the_text(tiny):
    pieces = list(tiny.generate(PROMPTS[0], max_new_tokens=TOKENS))
    assert len(pieces) > 3 and all(pieces)
    assert "".join(pieces) == tiny.answers([PROMPTS[0]], [Edits()], TOKENS)[0][0]


@pytest.mark.parametrize("text", ["né", "a🍞b", "漢字かな", "🍞", "x\u200d👩\u200d👩", "e\u0301"])
def test_a_character_split_over_tokens_is_shown_when_it_is_whole(tiny, monkeypatch, text):
    ids = tiny.runtime.tokenizer(text, add_special_tokens=False).input_ids
    monkeypatch.setattr(generate, "token_stream", lambda *args: iter(ids))
    pieces = list(tiny.generate(PROMPTS[0]))
    assert "".join(pieces) == text and not any("\ufffd" in piece for piece in pieces)


def test_a_character_never_finished_is_shown_as_such_at_the_end(tiny, monkeypatch):
    ids = tiny.runtime.tokenizer("ab🍞", add_special_tokens=False).input_ids[:-1]
    monkeypatch.setattr(generate, "token_stream", lambda *args: iter(ids))
    pieces = list(tiny.generate(PROMPTS[0]))
    assert "".join(pieces) == tiny.runtime.tokenizer.decode(ids) and pieces[-1].endswith("\ufffd")


def test_a_broken_character_in_the_middle_does_not_hold_back_the_rest(tiny, monkeypatch):
    bread, rest = (tiny.runtime.tokenizer(t, add_special_tokens=False).input_ids for t in ("🍞", "ab"))
    monkeypatch.setattr(generate, "token_stream", lambda *args: iter([*bread[:2], *rest]))
    pieces = list(tiny.generate(PROMPTS[0]))
    assert "".join(pieces) == tiny.runtime.tokenizer.decode([*bread[:2], *rest]) and pieces[-1].endswith("b")


def test_only_the_last_positions_reach_the_head(tiny):
    widths = []
    with hooked() as add:
        add(tiny.model.lm_head.register_forward_hook(lambda module, args, output: widths.append(output.shape[1])))
        tiny.answers(PROMPTS, [Edits(), Edits.ablate(MANY)], 3)
        tiny.measure(list(PROMPTS), [Edits(), Edits.ablate(MANY)])
    assert set(widths) == {1}


def test_inference_mode_does_not_leak_out_of_a_generator(tiny):
    pieces = tiny.generate(PROMPTS[0], max_new_tokens=4)
    next(pieces)
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("first", range(800, 806, 3))
def test_streams_end_as_the_answers_and_grow_on_the_way(tiny, first):
    several = [random_edits(seed, tiny.direction()) for seed in range(first, first + 3)]
    whole, last, pieces = tiny.answers(PROMPTS, several, TOKENS), {}, 0
    for prompt, column, text in tiny.stream_many(PROMPTS, several, TOKENS):
        assert text.startswith(last.get((prompt, column), "")) or "\ufffd" in text
        assert text != last.get((prompt, column))
        last[prompt, column], pieces = text, pieces + 1
    assert [[last[p, e] for e in range(3)] for p in range(len(PROMPTS))] == whole
    assert pieces > 2 * len(last)


def test_streams_say_an_empty_answer_too(tiny):
    stopping = with_runtime(tiny, stop_ids=frozenset(range(tiny.model.config.vocab_size)))
    assert sorted(stopping.stream_many(PROMPTS[:2], [Edits(), Edits()])) == [(p, e, "") for p in (0, 1) for e in (0, 1)]


def test_streams_under_a_small_budget_are_the_same(tiny):
    several = [random_edits(seed, tiny.direction()) for seed in range(700, 706)]
    with at_most(20):
        last = {(p, e): text for p, e, text in tiny.stream_many(PROMPTS, several, 6)}
    assert [[last[p, e] for e in range(6)] for p in range(len(PROMPTS))] == tiny.answers(PROMPTS, several, 6)


def test_streams_hold_back_a_character_that_is_not_whole(tiny, monkeypatch):
    ids = tiny.runtime.tokenizer("a🍞b", add_special_tokens=False).input_ids
    steps = [generate.AnswerRow(0, 0, ids[: n + 1], n == len(ids) - 1) for n in range(len(ids))]
    monkeypatch.setattr(generate, "answer_rows", lambda *args: iter(steps))
    assert [text for *_, text in tiny.stream_many([PROMPTS[0]], [Edits()])] == ["a", "a🍞", "a🍞b"]


def test_bad_input_to_streams_is_said_at_once(tiny):
    from core import InputError

    for call in (
        lambda: tiny.stream_many([""], [Edits()]),
        lambda: tiny.stream_many(PROMPTS, [Edits.ablate([Feature(0, 1)])]),
        lambda: tiny.stream_many(PROMPTS, [Edits()], 0),
    ):
        with pytest.raises(InputError):
            call()


def test_the_shared_prefix_of_a_clamped_bos_is_computed_once_per_edit(tiny):
    """Tokens that pass the first layer: the prefix once an edit, each prompt's own once an edit, then one a step."""
    from core.forward.batches import shared_prefix

    several = [Edits.clamp(MANY, value, "bos") for value in (2.0, 4.0, 6.0)]
    texts = [PROMPTS[0], PROMPTS[0][:-1] + "!"]
    lengths = [len(tiny.prompt(text)) for text in texts]
    start = shared_prefix([tiny.prompt(text) for text in texts])
    assert lengths[0] == lengths[1] and start >= 4  # of one length, so that nothing is padding
    own, passed = 3, []
    endless = with_runtime(tiny, stop_ids=frozenset())
    with hooked() as add:
        layer = tiny.model.model.layers[0]
        add(layer.register_forward_pre_hook(lambda m, args: passed.append(args[0].shape[0] * args[0].shape[1])))
        list(endless.stream_many(texts, several, own))
    rows = len(texts) * len(several)
    assert passed == [len(several) * start, rows * (lengths[0] - start), *[rows] * (own - 1)]
