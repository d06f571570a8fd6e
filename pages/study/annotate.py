"""One item at a time: what is shown, what may be chosen, by mouse or by key. Every click is in the store at once.

Knows: one annotator's choices. Does not know: groups or truths, but for the training, where the known answer is told
after the choice. Keys: 1 to 9 choose, 0 is none, Enter goes on, Backspace goes back.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from cache.store.studies import Studies
from core.study.answers import NONE, NOTHING, Choice
from core.study.items import Annotation, Study
from core.study.taxonomy import MEANINGS
from pages.shared.text import counted, plain
from pages.study import shown, state

_SAYS = "study_says"


def annotate(studies: Studies, identifier: str, study: Study, name: str) -> None:
    """The item this annotator is at; the end, where every item is done."""
    mine = studies.mine(identifier, name)
    if state.seen() is None:
        state.set_seen(studies.last_visit(identifier, name))
    if _taken_over(studies, identifier, name):
        return
    number = state.item()
    if number is None:
        number = _next_open(study, mine, 0)
        state.set_item(number)
    state.set_drawn(number)
    _progress(study, mine, number)
    if number >= len(study.items):
        _end(study, name)
        return
    told = state.is_told(number)
    with st.container(key="study_item_shown", border=True):
        shown.show(study, study.items[number])
    choice = mine[number].choice if number in mine else NOTHING
    if told:
        _known_answer(study, number, choice)
    else:
        several = study.question.several
        asks = "Choose every category that fits, or None." if several else "Choose what this answer is."
        st.markdown(f"**{asks}**")
    _choices(studies, identifier, study, name, number, choice, told)
    if study.kind == "features":
        _how_to_decide(study, number)
    if says := st.session_state.pop(_SAYS, ""):
        st.warning(says, icon=":material/info:")


def _choices(
    studies: Studies, identifier: str, study: Study, name: str, number: int, choice: Choice, told: bool
) -> None:
    """The labels as buttons, and the way on and back. told: the known answer stands above, so the choice is made."""
    question = study.question
    labels = [*enumerate(question.labels, 1), *([(0, NONE)] if question.several else [])]
    arguments = (studies, identifier, study, name, number)
    with st.container(key="study_labels", gap="xsmall"):
        for key, label in labels:
            st.button(
                label,
                key=f"study_label_{number}_{key}",
                type="primary" if label in choice else "secondary",
                icon=":material/check_box:" if label in choice else ":material/check_box_outline_blank:",
                shortcut=str(key),
                disabled=told,
                help="The known answer is shown, so this choice is made. Press Next." if told else None,
                width="stretch",
                on_click=_press,
                args=(*arguments, label),
            )
    with st.container(horizontal=True, gap="small", key="study_ways"):
        st.button(
            "Back",
            key=f"study_back_{number}",
            icon=":material/arrow_back:",
            shortcut="Backspace",
            disabled=number == 0,
            help="This is the first item." if number == 0 else None,
            on_click=_go,
            args=(number - 1,),
        )
        st.button(
            "Next",
            key=f"study_next_{number}",
            type="primary" if choice else "secondary",
            icon=":material/arrow_forward:",
            shortcut="Enter",
            on_click=_on,
            args=arguments,
        )


def _how_to_decide(study: Study, number: int) -> None:
    """What the categories mean, and what to do with what is no clear case; open in the training."""
    training = study.items[number].part == "training"
    with st.expander("How to decide", icon=":material/help:", expanded=training, key=f"study_how_{training}"):
        lines = [f"**{plain(one)}**: {MEANINGS[one]}." for one in study.labels if one in MEANINGS]
        st.markdown(
            "\n".join(f"- {line}" for line in lines)
            + "\n\nJudge by what most of the samples are about. Where the token is the chat template’s (‹im_end›, ↵, "
            "“assistant”), judge by the request before it. Refusal wording alone (“I’m sorry”), grammar and ordinary "
            "topics are None. The marked token is the one on which the feature fires; ↵ is a line break, ␣ a space."
        )


def _press(studies: Studies, identifier: str, study: Study, name: str, number: int, label: str) -> None:
    """A click on a label, stored before the page is drawn again."""
    if not state.is_drawn(number):
        return
    before = studies.mine(identifier, name).get(number, Annotation(NOTHING, False))
    choice = study.question.pressed(before.choice, label)
    _store(studies, identifier, name, number, Annotation(choice, before.done and bool(choice)))


def _on(studies: Studies, identifier: str, study: Study, name: str, number: int) -> None:
    """Enter: what is chosen counts from now on, and the next item is shown, or the known answer in the training."""
    if not state.is_drawn(number):
        return
    mine = studies.mine(identifier, name)
    found = mine.get(number, Annotation(NOTHING, False))
    if not found.choice:
        st.session_state[_SAYS] = (
            "Nothing is chosen. Choose at least one category, or None (key 0)."
            if study.question.several
            else "Nothing is chosen. Choose one verdict."
        )
        return
    training = study.items[number].part == "training"
    if not found.done and not _store(studies, identifier, name, number, found._replace(done=True)):
        return
    if training and not state.is_told(number):
        state.set_told(number)
        return
    done = mine | {number: found._replace(done=True)}
    _go(_next_open(study, done, number + 1))


def _store(studies: Studies, identifier: str, name: str, number: int, found: Annotation) -> bool:
    """Keep it, unless another tab has chosen under this name since this one began; then the page says so."""
    last = studies.last_visit(identifier, name)
    if last not in (state.visit(), state.seen()):
        return False
    studies.annotate(identifier, name, number, found.choice, found.done, state.visit())
    state.set_seen(state.visit())  # from now on, whatever another tab chooses is news
    return True


def _go(number: int) -> None:
    state.set_told(None)
    state.set_item(number)


def _next_open(study: Study, mine: Mapping[int, Annotation], start: int) -> int:
    """The first item from `start` on that is not done, else the first anywhere; one behind the last where all are."""

    def waits(number: int) -> bool:
        return number not in mine or not mine[number].done

    every = [*range(start, len(study.items)), *range(start)]
    return next(filter(waits, every), len(study.items))


def _taken_over(studies: Studies, identifier: str, name: str) -> bool:
    """Whether another tab or another person answers under this name now; says so, and how to go on."""
    last = studies.last_visit(identifier, name)
    if last in (state.visit(), state.seen()):
        return False
    st.warning(
        f"{plain(name)} is also labelling in another tab or on another computer. If that is you, continue here. If it "
        "is somebody else, choose another name, so that your answers stay apart.",
        icon=":material/group:",
    )
    with st.container(horizontal=True, gap="small"):
        st.button("Continue here", key="study_here", on_click=_continue_here, args=(last,))
        if st.button("Choose another name", key="study_other_name"):
            _leave()
    return True


def _leave() -> None:
    """Back to the list: the whole page is drawn again, and not this part alone."""
    state.leave()
    st.rerun()


def _continue_here(last: str) -> None:
    """What the other tab has done is taken over, so the item to go on with is looked for again."""
    state.set_seen(last)
    state.look_for_item()


def _progress(study: Study, mine: Mapping[int, Annotation], number: int) -> None:
    """How far, in words and as a bar."""
    training = len(study.items) - len(study.main)
    done = sum(mine[n].done for n in study.main if n in mine)
    if number < training:
        words = f"Training: {number + 1} of {training}. Choose, then press Next (Enter): the known answer is shown."
    elif number < len(study.items):
        words = f"{study.noun.capitalize()} {number + 1 - training} of {len(study.main)}, {done} done"
    else:
        words = f"{done} of {len(study.main)} done"
    st.progress(done / len(study.main), words)


def _known_answer(study: Study, number: int, choice: Choice) -> None:
    """In the training, what should have been chosen."""
    question, truth = study.question, study.items[number].truth
    known, chosen = plain(question.text(truth)), plain(question.text(choice))
    if study.kind == "features":
        what = (
            f"Measured, this feature fires on prompts of: **{known}**."
            if truth != {NONE}
            else "Measured, this feature fires on prompts of **none** of the categories."
        )
        what += " Where it fires is measured; what it is about is your judgement, so the two can differ."
    else:
        what = f"The known verdict is **{known}**."
    if choice == truth:
        st.success(f"{what} You chose the same. Press Enter to go on.", icon=":material/check:")
    else:
        st.info(f"{what} You chose: {chosen}. Press Enter to go on.", icon=":material/school:")


def _end(study: Study, name: str) -> None:
    st.success(
        f"Thank you, {plain(name)}. All {counted(len(study.main), study.noun)} are labelled and stored. You can go "
        "back and change any of them.",
        icon=":material/check_circle:",
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Back",
            key=f"study_back_{len(study.items)}",
            icon=":material/arrow_back:",
            shortcut="Backspace",
            on_click=_go,
            args=(len(study.items) - 1,),
        )
        if st.button("Finish", key="study_finish", type="primary", shortcut="Enter"):
            _leave()
