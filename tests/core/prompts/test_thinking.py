"""Thinking models: the switch is found, off unless asked for, and the prompt ends where the answer begins."""

from dataclasses import replace

import pytest

from core import Conversation, Edits, Engine
from core.answers.generate import decode_answer
from core.answers.likelihood import Reference
from core.answers.rule_judges import before_digests
from core.answers.thoughts import begins_with_thought, can_think, score_note
from core.judges.first_token import first_token_judge
from core.prompts.template import make_prompt, read_template
from core.prompts.thinking import SWITCHES, closing, open_thought, what_is_said
from tests.conftest import make_tokenizer
from tests.oracles import PROMPTS

TURN = "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
START = "{% if add_generation_prompt %}<|start|>assistant\n"
EMPTY = "<think>\n\n</think>\n\n"
#: Off unless it is on, and on unless it is off; and one whose budget is a number.
TEMPLATES = {
    "enable_thinking": f"{TURN}{START}{{% if enable_thinking is defined and enable_thinking is false %}}{EMPTY}"
    "{% endif %}{% endif %}",
    "thinking": f"{TURN}{START}{{% if thinking %}}<think>\n{{% else %}}</think>{{% endif %}}{{% endif %}}",
    "thinking_budget": f"{TURN}{START}{{% if thinking_budget == 0 %}}{EMPTY}{{% endif %}}{{% endif %}}",
}
ALWAYS = f"{TURN}{START}<think>\n{{% endif %}}"


def with_template(template):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def engine_with(tiny, template):
    tokenizer = with_template(template)
    return Engine(replace(tiny.runtime, tokenizer=tokenizer, template=read_template(tokenizer)), "for a test")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_switch_is_found_and_off(name):
    tokenizer, off_value = with_template(TEMPLATES[name]), {n: off for n, _, off in SWITCHES}[name]
    template = read_template(tokenizer)
    assert dict(template.variables) == {name: off_value} and template.thinking is False and not template.thought
    chat = [{"role": "user", "content": "hello"}]
    theirs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False, **{name: off_value})
    assert "".join(make_prompt(tokenizer, template, "hello", 99).pieces) == theirs
    on = read_template(tokenizer, thinking=True)
    assert on.thinking is True and on.after != template.after


def test_a_template_without_a_switch_knows_no_thinking():
    template = read_template(make_tokenizer())
    assert template.thinking is None and template.variables == () and template.thought == ""


def test_a_thought_that_the_template_always_opens_is_closed_unless_thinking_is_on():
    tokenizer = with_template(ALWAYS)
    off, on = read_template(tokenizer), read_template(tokenizer, thinking=True)
    assert off.after.endswith("<think>\n</think>\n\n") and off.thinking is False and off.thought == ""
    assert on.after.endswith("<think>\n") and on.thinking is True and on.thought == "<think>"


@pytest.mark.parametrize("template", [*TEMPLATES.values(), ALWAYS])
@pytest.mark.parametrize("thinking", [False, True])
def test_a_conversation_has_room_with_thinking_on_or_off(template, thinking):
    tokenizer = with_template(template)
    read = read_template(tokenizer, thinking=thinking)
    turns = Conversation((("user", "hello"), ("assistant", "yes"), ("user", "why")))
    one, several = (make_prompt(tokenizer, read, asked, 200) for asked in ("why", turns))
    text = "".join(several.pieces)
    assert text.endswith("".join(one.pieces[one.spans["instruction"][0] :])) and "yes" in text


def test_an_engine_thinks_or_not_with_one_model(tiny):
    engine = engine_with(tiny, TEMPLATES["enable_thinking"])
    engine.use_direction(tiny.direction())
    on = engine.with_thinking(True)
    assert on.model is engine.model and on.direction() is engine.direction()
    assert engine.runtime.template.thinking is False and on.runtime.template.thinking is True
    assert len(on.prompt("hello")) < len(engine.prompt("hello")), "the empty thought stands before the answer"
    assert on.with_thinking(False).prompt("hello") == engine.prompt("hello")


def test_verdicts_of_a_model_that_thinks_are_another_judges(tiny):
    """Verdicts are stored by revision: a thought that stands before the answer changes what the model says of it."""
    engine = engine_with(tiny, TEMPLATES["enable_thinking"])
    on = engine.with_thinking(True)
    scores = [first_token_judge(one).judge([PROMPTS[0]], [""])[0].score for one in (engine, on)]
    assert scores[0] != pytest.approx(scores[1], abs=1e-4)
    for judges in ((first_token_judge(engine), first_token_judge(on)), (engine.judge, on.judge)):
        before, after = (one.revision for one in judges)
        assert before != after and before_digests(before) == before_digests(after)
    assert engine_with(tiny, TEMPLATES["enable_thinking"]).judge.revision == engine.judge.revision


def test_scores_are_read_behind_the_closed_thought(tiny):
    """The refusal score with thinking off is that of the text with the thought closed, by the plain template."""
    engine = engine_with(tiny, ALWAYS)
    closed = engine_with(tiny, ALWAYS.replace("<think>\n", "<think>\n</think>\n\n"))
    assert engine.prompt(PROMPTS[0]).ids == closed.prompt(PROMPTS[0]).ids
    assert engine.measure(PROMPTS[0]).refusal_score == closed.measure(PROMPTS[0]).refusal_score
    assert score_note(engine.runtime, engine.prompt(PROMPTS[0])) == ""


def test_where_a_thought_comes_first_a_sentence_says_so(tiny):
    on = engine_with(tiny, ALWAYS).with_thinking(True)
    prompt = on.prompt(PROMPTS[0])
    assert can_think(on.runtime) and begins_with_thought(on.runtime, prompt)
    assert "Thinking is on" in score_note(on.runtime, prompt) and "not where its answer" in score_note(
        on.runtime, prompt
    )
    assert not can_think(tiny.runtime) and score_note(tiny.runtime, tiny.prompt(PROMPTS[0])) == ""


def test_what_is_thought_is_no_answer_and_is_not_judged(tiny):
    on = engine_with(tiny, ALWAYS).with_thinking(True)
    ((answer,),) = on.answers([PROMPTS[0]], [Edits()], 5)
    assert answer.startswith("<think>") and what_is_said(answer).still_thinking
    assert "".join(on.generate(PROMPTS[0], max_new_tokens=5)) == answer
    assert on.verdict(PROMPTS[0], answer) == "undetermined"
    assert decode_answer(tiny.runtime, []) == "" and decode_answer(on.runtime, []) == "<think>"


def test_an_answer_is_as_likely_whether_its_model_thought_first_or_not(tiny):
    engine = engine_with(tiny, ALWAYS)
    text = "The cat sat on the old bread and told a long story."
    plainly = Reference(engine.runtime).measure([PROMPTS[0]], [text])
    assert Reference(engine.with_thinking(True).runtime).measure([PROMPTS[0]], [f"<think>a</think>{text}"]) == plainly


@pytest.mark.parametrize(
    ("mark", "end"),
    [
        ("<think>", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<seed:think>", "</seed:think>"),
    ],
)
def test_marks_open_and_close(mark, end):
    assert open_thought(f"assistant {mark}\n") == mark and open_thought(f"{mark}x{end}") == ""
    assert closing(mark).strip() == end and what_is_said(f"{mark}no{closing(mark)}yes").text == "yes"
