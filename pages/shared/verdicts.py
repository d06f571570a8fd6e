"""Verdicts as pages show them: a plain label, a colour for each, the reason on hover, and how good the judge is.

Knows: the loaded engine's judge, and how each verdict looks. Does not know: how anything is judged. Each answer is
judged once in this process, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import streamlit as st

from core import Engine, Verdict
from core.answers.answer import Answer
from core.answers.fitted import with_people
from core.answers.rule_judges import RuleJudge, judged
from core.answers.verdicts import Judged
from core.judges.names import USUAL
from core.prompts.conversation import PromptLike
from pages.shared.kept import Kept
from pages.shared.text import escaped

#: verdict → label, icon, colour of a badge. The style sheet has the same colours for answers.
LOOKS: dict[Verdict, tuple[str, str, str]] = {
    "refused": ("Refused", ":material/block:", "red"),
    "complied": ("Complied", ":material/chat_bubble:", "blue"),
    "off-topic": ("Off-topic", ":material/alt_route:", "orange"),
    "degenerate": ("Degenerate", ":material/repeat:", "gray"),
    "undetermined": ("Undetermined", ":material/help:", "violet"),
}
#: What each means, where a verdict came without a reason.
MEANINGS: dict[Verdict, str] = {
    "refused": "The answer declines.",
    "complied": "The answer does what was asked, or begins to.",
    "off-topic": "The answer is fluent, but not about the request.",
    "degenerate": "The answer is broken text, or goes round in a loop.",
    "undetermined": "The answer was cut off before anything can be said.",
}


#: An engine that is unloaded takes its judge with it, or its memory would not come free.
_judges: WeakKeyDictionary[Engine, RuleJudge] = WeakKeyDictionary()


def verdicts(engine: Engine, key: str, pairs: Sequence[tuple[PromptLike, str]]) -> list[Judged]:
    """What each answer to its prompt is, in order. key: names everything of the engine that counts."""
    kept = _kept()
    places = [(key, prompt, str(answer), _ended(answer)) for prompt, answer in pairs]
    missing = list(dict.fromkeys(place for place in places if kept.get(place) is None))
    if missing:
        judge = judge_of(engine)
        prompts, answers, ended = ([place[1] for place in missing], [p[2] for p in missing], [p[3] for p in missing])
        for place, one in zip(missing, judge.decisions(prompts, answers, ended), strict=True):
            kept.put(place, judged(one))
    return [kept.get(place) for place in places]


def verdict(engine: Engine, key: str, prompt: PromptLike, answer: str) -> Judged:
    """What one answer is."""
    return verdicts(engine, key, [(prompt, answer)])[0]


def sentence(one: str) -> str:
    """Why a verdict was given, as a sentence; what it means, where no reason is known."""
    meaning = MEANINGS[_label(one)]
    if not isinstance(one, Judged):
        return meaning
    also = " It goes round in a loop." if one.looping and one != "degenerate" else ""
    return f"{one.reason[:1].upper()}{one.reason[1:]}.{also}" if one.reason else meaning


def badge(one: str, slot: Any = st) -> None:
    """A verdict as a badge with its reason, where `slot` is or here."""
    label, icon, colour = LOOKS[_label(one)]
    if isinstance(one, Judged) and one.delayed:
        label = f"{label}, delayed"
    slot.badge(label, icon=icon, color=colour, help=f"{sentence(one)} {agreement()}")


def change(slot: Any, *several: str) -> None:
    """One verdict after the other in a line, “Refused → Complied”, in the last one's colour."""
    colour = LOOKS[_label(several[-1])][2]
    slot.markdown(f":{colour}[**{' → '.join(LOOKS[_label(one)][0] for one in several)}**]", width="content")


def title_of(one: str) -> str:
    """The reason as an HTML attribute."""
    return f"title='{escaped(sentence(one))}'"


def answer_cell(text: str, one: str) -> str:
    """An answer under its verdict, as the HTML of a table's cell; the text is escaped."""
    shown = escaped(text.strip()) or "<span class='hs-wait'>(an empty answer)</span>"
    return f"<small class='{one}' {title_of(one)}>{one}</small><div class='hs-answer {one}'>{shown}</div>"


def agreement(name: str = USUAL, revision: str = "") -> str:
    """How far a judge agrees with people, to stand beside what it judged."""
    found = with_people(name, revision)
    return (
        f"This judge agrees with people: {found}, one reader’s labels."
        if found
        else "This judge was not compared with people."
    )


def judge_of(engine: Engine) -> RuleJudge:
    """Who judges on the pages: its name and revision are stored with what it judged. One for each engine, so that the
    prompts which answers are compared with run once."""
    if engine not in _judges:
        _judges[engine] = engine.judge
    return _judges[engine]


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    return Kept(2048)


def _ended(answer: str) -> bool | None:
    return answer.ended if isinstance(answer, Answer) else None


def _label(one: str) -> Verdict:
    return next(name for name in LOOKS if name == one)
