"""From what a person typed to token ids with named spans.

Knows: chat templates and tokenizers of transformers. Does not know: models, SAEs, edits.
What is typed is plain text: special tokens spelt in it stay letters, lone surrogates are replaced. That holds for the
earlier turns of a conversation too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from core.edits.edits import POSITIONS
from core.errors import InputError
from core.prompts.conversation import Conversation, PromptLike, Turn
from core.prompts.literal import literal_ids, readable
from core.prompts.one_day import write_chat
from core.prompts.thinking import closing, find_switch, open_thought
from core.text.reasons import reason_of

_MARK = "HYDRASCOPEMARK"  # stands for the person's text while the template is taken apart


@dataclass(frozen=True)
class Prompt:
    """One chat prompt, template applied, BOS once.

    text: what is asked, of a conversation its last turn. ids: token ids, length n. pieces: each token as text. spans:
    name → (start, end) token positions, among bos, system, history (a conversation's earlier turns and the template
    around them, which belong to no position but “all”), instruction, template (the end-of-instruction tokens), last,
    and generated where an answer follows (`core.prompts.answered`).
    """

    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    spans: dict[str, tuple[int, int]]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def position_bits(self) -> np.ndarray:
        """int64 [n]: which of `POSITIONS` each token belongs to, one bit each."""
        bits = np.full(len(self.ids), POSITIONS["all"], dtype=np.int64)
        for name in ("bos", "instruction", "template", "last", "generated"):
            if name in self.spans:
                start, end = self.spans[name]
                bits[start:end] |= POSITIONS[name]
        return bits


@dataclass(frozen=True)
class Template:
    """A chat template taken apart: the text before and after what the person types."""

    before: str
    after: str
    trims: bool  # whether the template strips white space around the text
    controls: frozenset[str] = frozenset()  # tokens that a person must not be able to type
    system: str | None = None  # the system prompt: None as the template writes it, "" without its block
    written: str = ""  # what the template itself writes before the text; `before`, but for a block that was cut out
    ends: str = ""  # what the template itself writes after it; `after`, but for a thought that was closed
    variables: tuple[tuple[str, object], ...] = ()  # what the template is given: its switch for thinking
    thinking: bool | None = None  # whether the model is let think before it answers; None where there is no switch
    thought: str = ""  # the mark of a thought that `after` leaves open: what follows is no answer yet


def read_template(tokenizer: Any, system: str | None = None, thinking: bool = False) -> Template:
    """Take the tokenizer's chat template apart. Without one: BOS before the text and nothing after it.

    thinking: let the model think before it answers, where the template has a switch for that or always opens a
    thought. Without it, a thought that the template opens is closed at once, so that the answer begins where the
    prompt ends. system: words for the system prompt, "" to leave out the block that some templates always write
    (Llama 3.1's with its dates), None for what the template does by itself. Raises InputError where there is no place
    for it.
    """
    if not getattr(tokenizer, "chat_template", None):
        if system:
            raise InputError("This model has no chat template, so it cannot use a system prompt. Leave it out.")
        before = tokenizer.bos_token or ""
        return Template(before, "", False, _controls(tokenizer, ""), system, before)
    switch = find_switch(lambda more: _render(tokenizer, _MARK, system, more))
    variables = {} if switch is None else {switch[0]: switch[1] if thinking else switch[2]}
    rendered = _render(tokenizer, _MARK, system, variables)
    written, found, after = rendered.partition(_MARK)
    if not found or _MARK in after:
        raise InputError(
            "This model's chat template does not contain the prompt exactly once. Use a model with a plain chat "
            "template."
        )
    trims = f" {_MARK} " not in _render(tokenizer, f" {_MARK} ", system, variables)
    controls = _controls(tokenizer, rendered)
    before = _without_block(tokenizer, written, controls) if system == "" else written
    mark = open_thought(after)
    known = None if switch is None and not mark else thinking
    whole = after if thinking or not mark else f"{after.rstrip()}{closing(mark)}"
    left_open = mark if thinking else ""
    return Template(before, whole, trims, controls, system, written, after, tuple(variables.items()), known, left_open)


def _without_block(tokenizer: Any, before: str, controls: frozenset[str]) -> str:
    """`before` with only the last turn's opening left after BOS.

    Turns begin with a control token each; the one that begins the first turn begins the person's too.
    """
    bos = tokenizer.bos_token or ""
    for start in (len(bos) if before.startswith(bos) else 0, 0):  # some models' BOS is what opens a turn
        if opening := max((c for c in controls if before.startswith(c, start)), key=len, default=""):
            return before[:start] + before[before.rindex(opening) :]
    return before


def _controls(tokenizer: Any, rendered: str) -> frozenset[str]:
    """Special tokens, and whatever added tokens the template writes; white space that happens to be one is text."""
    added = tokenizer.added_tokens_decoder.values()
    return frozenset(t.content for t in added if t.special or (t.content in rendered and not t.content.isspace()))


class _History(NamedTuple):
    """What stands before the last turn of a conversation, as text, and where its first turn begins, in tokens.

    ids: None where the text can be tokenised as it is; else ids in which what was typed stays letters.
    """

    text: str
    ids: tuple[int, ...] | None
    start: int


def make_prompt(tokenizer: Any, template: Template, given: PromptLike, context_length: int) -> Prompt:
    """Tokenise one prompt, or a conversation. Raises InputError when it is empty or longer than the context."""
    history = None
    if isinstance(given, Conversation):
        earlier = [_content(tokenizer, template, turn.text, context_length)[1] for turn in given.history]
        history = _history(tokenizer, template, given, earlier) if earlier else None
    last = given.text if isinstance(given, Conversation) else given
    text, content = _content(tokenizer, template, last, context_length)
    if getattr(tokenizer, "chat_template", None):
        _check_written(tokenizer, template, given, history, content)
    before, instruction, after = _tokenise(tokenizer, template, content, history)
    ids = (*before, *instruction, *after)
    if len(ids) > context_length:
        raise InputError(
            f"The prompt has {len(ids):,} tokens with its template, but the model's context is {context_length:,}. "
            "Shorten it."
        )
    if not instruction:
        raise InputError("The prompt has no text that the tokenizer can read. Type a request in plain characters.")
    pieces = tuple(tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in ids)
    start, end = len(before), len(before) + len(instruction)
    ending = (end, len(ids)) if after else (len(ids) - 1, len(ids))
    spans = {"instruction": (start, end), "template": ending, "last": (len(ids) - 1, len(ids))}
    if before and _starts_with_bos(tokenizer, ids):
        spans["bos"] = (0, 1)
    fixed = start if history is None else history.start
    if fixed > 1:
        spans["system"] = (1 if "bos" in spans else 0, fixed)
    if history is not None:
        spans["history"] = (fixed, start)
    return Prompt(text, ids, pieces, spans)


def _check_written(
    tokenizer: Any, template: Template, given: PromptLike, history: _History | None, content: str
) -> None:
    """Raises InputError where the template would write something else than is put together here from its parts."""
    turns = given.turns if isinstance(given, Conversation) else [Turn("user", given)]
    messages = [{"role": turn.role, "content": readable(turn.text)} for turn in turns]
    between = "" if history is None else history.text[len(template.before) :]
    written = _apply(tokenizer, messages, template.system, dict(template.variables))
    if written != template.written + between + content + template.ends:
        why = "it may leave out thoughts or change characters, so the model's own prompt would be another one"
        raise InputError(
            f"This model's chat template does not write this text as it was typed: {why}. Change the text."
        )


def _content(tokenizer: Any, template: Template, text: str, context_length: int) -> tuple[str, str]:
    """(the text with lone surrogates replaced, the same as the template writes it). Raises InputError."""
    if not isinstance(text, str):
        raise InputError(f"A prompt must be text, but this one is {type(text).__name__}. Pass a string.")
    if len(text) > 100 * context_length:  # refused before anything looks at a megabyte character by character
        raise _far_too_long(text, context_length)
    text = readable(text)
    if not text.strip():
        raise InputError("The prompt is empty. Type a request, for example “How do I bake bread?”.")
    head = text[: 20 * context_length]
    if len(head) < len(text) and len(literal_ids(tokenizer, head)) > 2 * context_length:
        raise _far_too_long(text, context_length)
    return text, text.strip() if template.trims else text


def _history(tokenizer: Any, template: Template, given: Conversation, earlier: list[str]) -> _History:
    """Everything before the last turn. Raises InputError for a template that has no room for earlier turns."""
    if not getattr(tokenizer, "chat_template", None):
        raise InputError("This model has no chat template for a conversation. Use a single message.")
    marks = [f"{_MARK}{number}{_MARK}" for number in range(len(given.turns))]
    messages = [{"role": turn.role, "content": mark} for turn, mark in zip(given.turns, marks, strict=True)]
    rest, around = _apply(tokenizer, messages, template.system, dict(template.variables)), []
    for mark in marks:
        part, found, rest = rest.partition(mark)
        around.append(part)
        if not found or mark in rest:
            raise InputError(
                "This model's chat template does not contain each turn of a conversation exactly once. Use a single "
                "message."
            )
    if rest != template.ends or around[0] != template.written:
        raise InputError(
            "This model's chat template formats a conversation differently from a single request. Use a single message."
        )
    around[0] = template.before
    fixed = [tuple(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in around]
    text = "".join(part + typed for part, typed in zip(around, [*earlier, ""], strict=True))
    if not any(control in typed for typed in earlier for control in template.controls):
        return _History(text, None, len(fixed[0]))
    typed_ids = [*(literal_ids(tokenizer, typed) for typed in earlier), ()]
    return _History(
        text, tuple(i for pair in zip(fixed, typed_ids, strict=True) for ids in pair for i in ids), len(fixed[0])
    )


def make_plain(tokenizer: Any, text: str, context_length: int) -> Prompt:
    """Plain text without any template: BOS where the tokenizer has one, then the text, cut at the context's length.

    For measuring how well a model predicts ordinary text. Raises InputError when there is nothing to predict.
    """
    content = readable(text)[: 20 * context_length]
    before = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)
    ids = (*before, *literal_ids(tokenizer, content))[:context_length]
    if len(ids) < 2:
        raise InputError("A text without tokens has no cross-entropy. Give at least one sentence.")
    pieces = tuple(tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in ids)
    spans = {"instruction": (len(before), len(ids)), "last": (len(ids) - 1, len(ids))}
    return Prompt(text, ids, pieces, spans | ({"bos": (0, 1)} if before else {}))


def only_first_token(prompt: Prompt) -> Prompt:
    """BOS alone, which stands the same before every prompt. Raises InputError where the template begins with none."""
    if "bos" not in prompt.spans:
        raise InputError("This model's prompts do not begin with a BOS token, so there is no BOS token to measure.")
    return Prompt("", prompt.ids[:1], prompt.pieces[:1], {"bos": (0, 1)})


def _far_too_long(text: str, context_length: int) -> InputError:
    size = f"{len(text):,} characters, far more than the model's context of {context_length:,} tokens. Shorten it."
    return InputError(f"The prompt has {size}")


def _render(tokenizer: Any, content: str, system: str | None, variables: Mapping[str, object]) -> str:
    return _apply(tokenizer, [{"role": "user", "content": content}], system, variables)


def _apply(tokenizer: Any, messages: list[dict[str, str]], system: str | None, variables: Mapping[str, object]) -> str:
    """The chat template's text. Raises InputError where it has no place for a system prompt."""
    turns = [{"role": "system", "content": system}, *messages] if system else messages
    try:
        return write_chat(tokenizer, turns, add_generation_prompt=True, **variables)
    except Exception as error:  # jinja2's, and whatever a template raises by itself
        why = reason_of(error)
        if system:
            raise InputError(f"This model's chat template accepts no system prompt ({why}). Leave it out.") from error
        raise InputError(
            f"This model's chat template cannot be used ({why}). If it wants a system prompt, give one from Python: "
            'ModelSpec(..., system="…"). Else choose a model with a plain template.'
        ) from error


def _starts_with_bos(tokenizer: Any, ids: tuple[int, ...]) -> bool:
    # Position 0 is the attention sink and prompt-free whatever its name: SmolLM2's <|im_start|> serves as BOS too.
    return ids[0] == tokenizer.bos_token_id or ids[0] in tokenizer.all_special_ids


def _tokenise(
    tokenizer: Any, template: Template, content: str, history: _History | None = None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(before, instruction, after) ids. Whole where possible, so that merges at the seams are the model's own."""
    text_before = template.before if history is None else history.text
    before = history.ids if history is not None else None
    literal = before is not None or any(control in content for control in template.controls)
    if before is None:
        before = tuple(tokenizer(text_before, add_special_tokens=False)["input_ids"])
    after = tuple(tokenizer(template.after, add_special_tokens=False)["input_ids"])
    if literal:
        return before, literal_ids(tokenizer, content), after
    whole = tokenizer(text_before + content + template.after, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = tuple(whole["input_ids"]), whole["offset_mapping"]
    end = len(ids) - len(after)
    if len(before) <= end and ids[: len(before)] == before and ids[end:] == after:
        return before, ids[len(before) : end], after
    # A merge crosses a seam; a token that holds any of the person's text counts as the person's.
    start, stop = len(text_before), len(text_before) + len(content)
    first = next((i for i, (_, right) in enumerate(offsets) if right > start), len(ids))
    last = next((i for i, (left, _) in enumerate(offsets) if left >= stop), len(ids))
    return ids[:first], ids[first:last], ids[last:]
