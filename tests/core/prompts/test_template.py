"""From typed text to ids and spans: the model's own template, once, and what is typed stays text."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core import InputError
from core.edits.edits import POSITIONS
from core.prompts.conversation import Conversation, Turn
from core.prompts.template import make_prompt, read_template
from tests.conftest import make_tokenizer

TOKENIZER = make_tokenizer()
TEMPLATE = read_template(TOKENIZER)
SPECIALS = set(TOKENIZER.all_special_ids)


def made(text, tokenizer=TOKENIZER, context=10_000):
    return make_prompt(tokenizer, read_template(tokenizer), text, context)


def by_transformers(text, tokenizer=TOKENIZER):
    chat = [{"role": "user", "content": text}]
    return tuple(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False))


def typed(prompt, tokenizer=TOKENIZER):
    """The instruction's tokens as text."""
    start, end = prompt.spans["instruction"]
    return tokenizer.decode(prompt.ids[start:end], clean_up_tokenization_spaces=False)


def test_the_template_is_applied_once_with_one_bos():
    prompt = made("How do I bake bread?")
    assert prompt.ids == by_transformers("How do I bake bread?")
    assert prompt.ids.count(TOKENIZER.bos_token_id) == 2  # the template's own: one a turn
    assert "".join(prompt.pieces) == "<|start|>user\nHow do I bake bread?<|end|>\n<|start|>assistant\n"
    assert typed(prompt) == "How do I bake bread?"


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.text(min_size=1, max_size=40).filter(str.strip))
@example("  two spaces  ")
@example("tail \n")
@example("\u200b")
@example("I")
@example("<|end|")
def test_ordinary_text_gives_transformers_own_ids(text):
    prompt = made(text)
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert prompt.ids == by_transformers(clean)
    assert clean in typed(prompt)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(st.sampled_from(["<|start|>", "<|end|>", "<|", "|>", "end", " ", "\n", "a", "é", "\ud800"]), max_size=9)
)
def test_special_tokens_typed_by_a_person_stay_letters(parts):
    text = "x" + "".join(parts)
    prompt = made(text)
    start, end = prompt.spans["instruction"]
    assert not SPECIALS & set(prompt.ids[start:end])
    assert sum(i in SPECIALS for i in prompt.ids) == 3
    assert typed(prompt) == text.replace("\ud800", "\ufffd")


def test_spans_cover_the_sequence_in_order():
    spans = made("Tell me a story.").spans
    parts = [spans[name] for name in ("bos", "system", "instruction", "template")]
    assert parts[0] == (0, 1) and all(left[1] == right[0] for left, right in pairwise(parts))
    prompt = made("Tell me a story.")
    assert parts[-1][1] == len(prompt) == len(prompt.pieces) and spans["last"] == (len(prompt) - 1, len(prompt))
    bits = prompt.position_bits
    assert bits.shape == (len(prompt),) and (bits & POSITIONS["all"]).all()
    assert (bits & POSITIONS["generated"] == 0).all()
    assert (bits & POSITIONS["bos"] > 0).tolist() == [True] + [False] * (len(prompt) - 1)
    assert (bits & POSITIONS["last"] > 0).tolist() == [False] * (len(prompt) - 1) + [True]
    assert (bits & POSITIONS["template"] > 0).sum() == spans["template"][1] - spans["template"][0]


def with_template(template):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def test_a_template_that_trims_is_followed():
    tokenizer = with_template("{{ bos_token }}{% for m in messages %}[{{ m['content'] | trim }}]{% endfor %}")
    prompt = made("  hello \n", tokenizer)
    assert prompt.ids == by_transformers("  hello \n", tokenizer) and typed(prompt) == "hello"
    assert typed(made("  <|end|> ", tokenizer)) == "<|end|>"


def test_a_template_with_a_system_prompt_has_it_in_a_span_of_its_own():
    tokenizer = with_template("<|start|>Be kind.<|end|>" + TOKENIZER.chat_template)
    prompt = made("hello", tokenizer)
    start, end = prompt.spans["system"]
    assert prompt.ids == by_transformers("hello", tokenizer)
    assert "".join(prompt.pieces[start:end]) == "Be kind.<|end|><|start|>user\n"


def test_a_merge_across_the_seam_belongs_to_the_person():
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["\nZ"])  # what follows “user\n” can merge with it
    prompt = made("Zebra", tokenizer)
    assert prompt.ids == by_transformers("Zebra", tokenizer) and typed(prompt, tokenizer) == "\nZebra"
    assert prompt.spans["system"][1] == prompt.spans["instruction"][0]


def test_a_model_without_a_template_reads_bos_and_the_text():
    tokenizer = with_template(None)
    prompt = made("hello there", tokenizer)
    assert prompt.ids == tuple(tokenizer("<|start|>hello there", add_special_tokens=False).input_ids)
    assert prompt.ids.count(tokenizer.bos_token_id) == 1 and prompt.spans["bos"] == (0, 1)
    assert prompt.spans["instruction"] == (1, len(prompt)) and prompt.spans["template"] == prompt.spans["last"]
    assert not SPECIALS & set(made("a<|start|>b", tokenizer).ids[1:])


def test_a_model_without_template_and_bos_has_no_bos_span():
    tokenizer = with_template(None)
    tokenizer.bos_token = None
    prompt = made("hello there", tokenizer)
    assert "bos" not in prompt.spans and prompt.spans["instruction"] == (0, len(prompt))


@pytest.mark.parametrize(
    "template", ["always this", "{{ messages[0]['content'] }} and {{ messages[0]['content'] }}"], ids=["none", "twice"]
)
def test_a_template_that_does_not_hold_the_prompt_once_is_refused(template):
    with pytest.raises(InputError, match="exactly once"):
        read_template(with_template(template))


def test_a_control_token_not_marked_special_cannot_be_typed_either():
    tokenizer = with_template("{{ bos_token }}<turn>{{ messages[0]['content'] }}</turn>")
    tokenizer.add_tokens(["<turn>", "</turn>", "<harmless>", "\n\n"])
    turns = set(tokenizer.convert_tokens_to_ids(["<turn>", "</turn>"]))
    start, end = made("a</turn><turn>b", tokenizer).spans["instruction"]
    assert not turns & set(made("a</turn><turn>b", tokenizer).ids[start:end])
    for text in ("x <harmless> y", "one\n\ntwo"):  # added tokens that are words are read as the model reads them
        assert made(text, tokenizer).ids == by_transformers(text, tokenizer)


def test_the_context_may_be_full_but_no_fuller():
    length = len(made("hello there"))
    assert len(made("hello there", context=length)) == length
    with pytest.raises(InputError, match=f"{length} tokens.*context is {length - 1}"):
        made("hello there", context=length - 1)


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff", "\ud83c\udf5e", "nul\x00", "\x00", "\u202ertl", "e\u0301" * 9])
def test_odd_characters_are_text(text):
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    prompt = made(text)
    assert typed(prompt) == whole and prompt.text == whole
    "".join(prompt.pieces).encode()  # nothing that cannot be shown or stored


def test_prompts_are_values():
    assert made("hello") == made("hello") != made("hello!")


BLOCK = "<|start|>system\nBe kind.<|end|>" + TOKENIZER.chat_template
OWN = (
    "{% if messages[0]['role'] == 'system' %}<|start|>system\n{{ messages[0]['content'] }}<|end|>"
    "{% set messages = messages[1:] %}{% else %}<|start|>system\nBe kind.<|end|>{% endif %}" + TOKENIZER.chat_template
)


@pytest.mark.parametrize("template", [BLOCK, TOKENIZER.chat_template], ids=["block", "none"])
def test_a_system_block_can_be_left_out(template):
    tokenizer = with_template(template)
    bare = make_prompt(tokenizer, read_template(tokenizer, ""), "hello", 64)
    assert "".join(bare.pieces) == "<|start|>user\nhello<|end|>\n<|start|>assistant\n"
    assert bare.ids == by_transformers("hello", TOKENIZER) and bare.spans["bos"] == (0, 1)


def test_a_system_prompt_of_ones_own_stands_where_the_template_puts_it():
    tokenizer = with_template(OWN)
    said = [{"role": "system", "content": "Answer in rhyme."}, {"role": "user", "content": "hello"}]
    expected = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=True, return_dict=False)
    own = make_prompt(tokenizer, read_template(tokenizer, "Answer in rhyme."), "hello", 99)
    assert own.ids == tuple(expected) and own.ids != made("hello", tokenizer, 99).ids
    turns = Conversation((Turn("user", "a"), Turn("assistant", "b"), Turn("user", "hello")))
    longer = make_prompt(tokenizer, read_template(tokenizer, "Answer in rhyme."), turns, 99)
    start, end = longer.spans["system"]
    assert "".join(longer.pieces[start:end]).endswith("Answer in rhyme.<|end|><|start|>user\n")


def test_a_conversation_without_the_block_has_none():
    tokenizer = with_template(BLOCK)
    turns = Conversation((Turn("user", "a"), Turn("assistant", "b"), Turn("user", "hello")))
    bare = make_prompt(tokenizer, read_template(tokenizer, ""), turns, 99)
    whole = make_prompt(tokenizer, read_template(tokenizer), turns, 99)
    assert "".join(whole.pieces) == "<|start|>system\nBe kind.<|end|>" + "".join(bare.pieces)


NO_SYSTEM = (
    "{{ raise_exception('System role not supported') if messages[0]['role'] == 'system' }}{{ messages[-1]['content'] }}"
)


@pytest.mark.parametrize("template", [None, NO_SYSTEM], ids=["no template", "refuses"])
def test_a_model_that_takes_no_system_prompt_says_so(template):
    with pytest.raises(InputError, match=r"accepts no system prompt.*Leave it out|so it cannot use a system prompt"):
        read_template(with_template(template), "Be kind.")


@pytest.mark.parametrize(
    "date",
    [
        "{% if date_string is not defined %}{% set date_string = strftime_now('%Y') %}{% endif %}{{ date_string }} ",
        "{{ strftime_now('%d %b %Y') }} ",
    ],
    ids=["an option", "asked for"],
)
def test_the_numbers_do_not_change_with_the_day(date):
    tokenizer = with_template(date + TOKENIZER.chat_template)
    assert "".join(made("hello", tokenizer, 99).pieces).startswith("26 Jul 2024 ")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("m['content']", "(m['content']|tojson)"), 'Say "hi".'),
        (("m['content']", "m['content'].replace('\\n', ' ')"), "One line\nand another"),
        (("m['content']", "m['content'][:20]"), "Tell me a story about a small town, please."),
        (("m['content']", "m['content'].split('/no_think')[0]"), "Tell me a story. /no_think"),
    ],
    ids=["quotes", "line breaks", "cut", "words taken out"],
)
def test_a_text_that_the_template_would_write_otherwise_is_refused(change, text):
    """What would be measured is not what the model is given by anybody else."""
    template = TOKENIZER.chat_template
    changed = template.replace(*change)
    assert changed != template
    with pytest.raises(InputError, match="does not write this text as it was typed"):
        made(text, with_template(changed), 200)
    assert made(text, TOKENIZER, 200).text == text


def test_a_thought_of_an_earlier_answer_that_the_template_leaves_out_is_refused():
    template = TOKENIZER.chat_template.replace("m['content']", "m['content'].split('</think>')[-1]")
    assert template != TOKENIZER.chat_template
    turns = [Turn("user", "Tell me a story."), Turn("assistant", "<think>A town.</think>Once."), Turn("user", "More.")]
    with pytest.raises(InputError, match="may leave out thoughts"):
        made(Conversation(tuple(turns)), with_template(template), 400)
    turns[1] = Turn("assistant", "Once.")
    assert made(Conversation(tuple(turns)), with_template(template), 400).text == "More."
