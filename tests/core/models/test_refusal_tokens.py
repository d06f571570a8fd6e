"""Refusal words as the first thing of an answer, in the families' own tokenizers and in those with a dummy prefix."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from core import InputError
from core.models.refusal_tokens import refusal_tokens
from core.models.registry import find_spec
from tests.conftest import make_tokenizer
from tests.loopback_hub import tokenizers

LLAMA_2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module", params=["gemma2", "gemma3", "llama3.1"])
def family(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    tokenizers.llama31(folder) if request.param == "llama3.1" else tokenizers.gemma(folder, int(request.param[-1]))
    return AutoTokenizer.from_pretrained(folder)


def metaspace(template=None):
    """As Llama 2's: every text begins with a blank of its own."""
    letters = {chr(n): 4 + n for n in range(33, 127)}
    words = ("▁", "▁I", "▁c", "▁Sorry")
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | letters | {word: 200 + n for n, word in enumerate(words)}
    merges = [("▁", "I"), ("▁", "c")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.chat_template = template
    return fast


def test_it_is_the_token_the_model_would_write_first(family):
    """A conversation with the word as its answer goes on, after the generation prompt, with exactly this token."""
    (found,) = refusal_tokens(family, "I")
    request = [{"role": "user", "content": "Who are you?"}]
    prompt = family.apply_chat_template(request, add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = family.apply_chat_template([*request, {"role": "assistant", "content": "I am a model."}], return_dict=True)[
        "input_ids"
    ]
    assert whole[: len(prompt)] == prompt and whole[len(prompt)] == found
    assert family.convert_ids_to_tokens(found) == "I" and family.decode([found]) == "I"
    assert found != family.convert_tokens_to_ids(family.tokenize(" I")[0]), "with a blank it is another token"


def test_llamas_i_is_the_catalogues(tmp_path):
    """The tiny Llama's vocabulary begins as the real one's; Gemma's “I” lies far beyond a tiny vocabulary."""
    tokenizers.llama31(tmp_path)
    assert (
        refusal_tokens(AutoTokenizer.from_pretrained(tmp_path), "I")
        == find_spec("llama-3.1-8b-instruct").refusal_tokens
    )


def test_where_the_template_writes_a_blank_before_answers_it_belongs_to_the_token():
    assert refusal_tokens(metaspace(LLAMA_2), "I") == (201,)


def test_without_a_template_the_answer_follows_a_blank():
    assert refusal_tokens(metaspace(), "I") == (201,)
    tokenizer = make_tokenizer()
    tokenizer.chat_template = None
    (found,) = refusal_tokens(tokenizer, "I")
    assert tokenizer.decode([found]) == " I"


def test_a_template_for_single_requests_only_is_gone_on_with():
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% if messages|length > 1 %}{{ raise_exception('one request') }}{% endif %}<|start|>{{ messages[0]['content'] "
        "}}<|end|>\n"
    )
    assert refusal_tokens(tokenizer, "I") == tuple(tokenizer("I").input_ids)


def test_several_words_and_ids_each_once():
    tokenizer = make_tokenizer()
    (i,) = refusal_tokens(tokenizer, "I")
    assert refusal_tokens(tokenizer, f" 7, I ,{i}, 7") == (7, i)


@pytest.mark.parametrize("text", ["", " , "])
def test_no_word_is_a_sentence(text):
    with pytest.raises(InputError, match="No refusal word is named"):
        refusal_tokens(make_tokenizer(), text)


def test_a_word_that_melts_into_the_template_is_a_sentence():
    tokenizer = metaspace(
        "{{ messages[0]['content'] }}[{% if messages|length > 1 %}{{ messages[1]['content'] }}{% endif %}"
    )
    backend = tokenizer.backend_tokenizer
    backend.add_tokens(["[I"])
    with pytest.raises(InputError, match="no token with which an answer could begin with “I”"):
        refusal_tokens(tokenizer, "I")
