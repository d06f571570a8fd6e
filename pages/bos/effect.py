"""What a clamp did, in a few sentences: pure functions from scores and answers to words.

Knows: what is worth saying. Does not know: engines, sessions, widgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pages.shared.text import counted, plain, signed

#: A refusal score that moves by less than this at every value has not moved, for a person reading.
LITTLE = 0.5


def sentence(
    prompts: Sequence[str],
    values: Sequence[float | None],
    chosen: float,
    scores: Sequence[float],
    known: Mapping[tuple[str, float | None], tuple[str, str]],
) -> str:
    """Markdown. values: None, for no clamp, and numbers in order; scores: the first prompt's, one a value; known: the
    answers that are complete, with their verdicts.
    """
    at, end = values.index(chosen), [value for value in values if value is not None][-1]
    text = f"Clamped at **{chosen:g}**, the refusal score of “{plain(prompts[0], most=60)}” goes from "
    text += f"**{signed(scores[0])}** to **{signed(scores[at])}**. "
    moved = max(abs(score - scores[0]) for score in scores)
    if moved < LITTLE:
        text += f"No value tried, up to {end:g}, moves it by more than {moved:.2f}. "
    elif moved > abs(scores[at] - scores[0]) + LITTLE:
        furthest = max(range(len(scores)), key=lambda place: abs(scores[place] - scores[0]))
        text += f"It moves furthest at {values[furthest]:g}, to {signed(scores[furthest])}. "
    return text + _answers(prompts, values, chosen, known)


def _answers(
    prompts: Sequence[str],
    values: Sequence[float | None],
    chosen: float,
    known: Mapping[tuple[str, float | None], tuple[str, str]],
) -> str:
    done = [prompt for prompt in prompts if all((prompt, value) in known for value in values)]
    if not done:
        return ""
    changed = [p for p in done if known[p, chosen][0] != known[p, None][0]]
    if not changed:
        others = [v for v in values if any(known[p, v][0] != known[p, None][0] for p in done)]
        if not others:
            return (
                f"**The clamp changes none of {counted(len(done), 'answer')}**, at any value up to {values[-1]:g}, the "
                "largest tried."
            )
        return f"At {chosen:g} no answer changes; the smallest of the values tried that changes one is {others[0]:g}."
    verdicts = [(known[p, None][1], known[p, chosen][1]) for p in changed]
    kinds = (
        ("became a refusal", sum(was != "refused" and now == "refused" for was, now in verdicts)),
        ("complied where the model had refused", sum(was == "refused" and now == "complied" for was, now in verdicts)),
        ("became degenerate", sum(was != "degenerate" and now == "degenerate" for was, now in verdicts)),
        ("went off-topic", sum(was != "off-topic" and now == "off-topic" for was, now in verdicts)),
    )
    said = ", ".join(f"{number} {words}" for words, number in kinds if number)
    return f"**{len(changed)} of {counted(len(done), 'answer')} changed**" + (f": {said}." if said else ".")
