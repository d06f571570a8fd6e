"""Which column holds the prompts: a name decides, or the person does."""

import pytest

from core import InputError
from core.prompts.columns import choose_column
from core.prompts.files import read_prompts


@pytest.mark.parametrize(
    ("texts", "column", "sure"),
    [
        (["id", "user_query", "reference_answer"], "user_query", True),
        (["goal", "target"], "goal", True),
        (["Behavior", "Tags"], "Behavior", True),
        (["userPrompt", "modelResponse"], "userPrompt", True),
        (["harmful_instruction", "prompt_id", "instruction_type"], "harmful_instruction", True),
        (["prompt_a", "prompt_b"], "prompt_a", False),
        (["Prompt", "prompt"], "Prompt", False),
        (["left", "right"], "right", False),
        (["only"], "only", True),
    ],
)
def test_a_name_decides(texts, column, sure):
    assert choose_column(texts, texts, range(len(texts)))[:2] == (column, sure)


def test_a_usual_column_without_text_is_told_and_nothing_is_guessed_for_it():
    found = read_prompts(b"prompt,said\n,hello\n,there\n", "f.csv")
    with pytest.raises(InputError, match=r"The column “prompt” has no text\. Choose one of said"):
        found.rows()
    assert found.rows("said") == ["hello", "there"]
    both = read_prompts(b'[{"prompt": 3, "question": "a"}]', "f.json")
    assert both.rows() == ["a"] and "“prompt” has no text" in both.warning


def test_what_a_prompt_needs_beside_it_is_told():
    data = b"Behavior,ContextString,BehaviorID\nSay it,,a\nSum it up,A long text,b\n"
    found = read_prompts(data, "f.csv")
    assert found.rows() == ["Say it", "Sum it up"]
    assert "“ContextString” has text for 1 of the prompts (the first is row 2)" in " ".join(found.warnings())
