"""Whether a model's first token is a thought and not an answer, and what that means for a score read there.

Knows: the runtime, marks of thinking. Does not know: scores, pages.
"""

from __future__ import annotations

from itertools import islice

from core.answers.generate import token_stream
from core.edits.edits import Edits
from core.forward.runtime import Runtime
from core.prompts.template import Prompt
from core.prompts.thinking import open_thought

#: Tokens that the mark of a thought may take, where it is not one token.
_MARK_TOKENS = 4


def begins_with_thought(runtime: Runtime, prompt: Prompt) -> bool:
    """Whether the unedited model, as its template stands, goes on with a thought: one that the template opened, or that
    it opens itself."""
    if runtime.template.thought:
        return True
    first = list(islice(token_stream(runtime, prompt, Edits(), _MARK_TOKENS), _MARK_TOKENS))
    return bool(open_thought(runtime.tokenizer.decode(first, skip_special_tokens=False).lstrip()))


def can_think(runtime: Runtime) -> bool:
    """Whether the template knows thinking, or the tokenizer has a token that opens a thought."""
    if runtime.template.thinking is not None:
        return True
    return any(open_thought(token.content) for token in runtime.tokenizer.added_tokens_decoder.values())


def score_note(runtime: Runtime, prompt: Prompt) -> str:
    """Why the refusal score of this prompt is not about the answer's first token, in a sentence; empty where it is."""
    if runtime.template.thought:
        return (
            "Thinking is on, so the refusal score is read where the model's thoughts begin, not where its answer "
            "begins. Turn thinking off to read it there."
        )
    if not can_think(runtime) or not begins_with_thought(runtime, prompt):
        return ""
    why = "with thinking on" if runtime.template.thinking else "although thinking is not on"
    return (
        f"This model begins with a thought {why}, so the refusal score is read where its thoughts begin, not where its "
        "answer begins."
    )
