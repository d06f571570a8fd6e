"""What an edit costs, measured on pages, against the engine's own KL, with thinking on and off by turns."""

from dataclasses import replace

import pytest

from core import Edits, Engine
from core.models.registry import find_spec
from core.prompts.template import read_template
from pages.shared.engine import engine_key
from pages.shared.measurements import cost, kl_prompts
from tests.conftest import make_tokenizer

CHAT = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


def test_each_way_of_thinking_has_the_unedited_model_of_its_own(tiny):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = CHAT
    spec = replace(tiny.spec, prompts=find_spec("demo").prompts)
    runtime = replace(tiny.runtime, spec=spec, tokenizer=tokenizer, template=read_template(tokenizer))
    off = Engine(runtime, "for a test")
    on, edits = off.with_thinking(True), Edits.from_text("2-3,2-4")
    expected = {engine: engine.kl(kl_prompts(engine), [edits]).mean() for engine in (on, off)}
    assert expected[on] != expected[off]
    for engine in (on, off, on):
        found = cost(engine, engine_key(engine), edits)
        assert found is not None and found.kl == pytest.approx(float(expected[engine]), abs=1e-6)
