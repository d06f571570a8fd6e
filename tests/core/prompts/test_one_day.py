"""Chat templates that write a date, or ask the clock for it: the same text on every day."""

from datetime import datetime

import pytest

from core.prompts.one_day import DAY, write_chat
from tests.conftest import make_tokenizer

CHAT = [{"role": "user", "content": "hello"}]


def written(template: str, **given) -> str:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    return write_chat(tokenizer, CHAT, **given)


@pytest.mark.parametrize(
    "form", ["%d %b %Y", "%B %d, %Y", "%Y-%m-%d", "%A, %-d %B %Y", "%d/%m/%y %H:%M:%S", "%-m.%-d."]
)
def test_the_clock_is_not_asked(form):
    """As transformers' own function would write that day."""
    assert written("{{ strftime_now('" + form + "') }}") == DAY.strftime(form)


def test_a_template_asks_for_it_only_where_it_can():
    text = "{%- if strftime_now is defined %}{%- set date = strftime_now('%d %b %Y') %}{%- else %}{%- set date = '' %}"
    assert written(text + "{%- endif %}{{ date }}") == "26 Jul 2024"


def test_the_option_of_llama_s_templates_is_given_and_can_be_another():
    assert written("{{ date_string }}") == "26 Jul 2024"
    assert written("{{ date_string }}", date_string="01 Jan 2025") == "01 Jan 2025"


def test_all_else_is_as_transformers_writes_it():
    """Line breaks at the beginning, loops and the generation prompt."""
    text = "\n\n  {% for m in messages %}\n<{{ m.role }}> {{ m.content }}\n{% endfor %}"
    text += "{% if add_generation_prompt %}A:{% endif %}"
    tokenizer = make_tokenizer()
    tokenizer.chat_template = text
    plain = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert written(text, add_generation_prompt=True) == plain
    year = datetime.now().strftime("%Y")
    tokenizer.chat_template = text + "{{ strftime_now('%Y') }}"
    clock = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert clock.endswith(year) and written(tokenizer.chat_template, add_generation_prompt=True) == plain + "2024"
