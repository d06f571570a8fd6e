"""How large a run is, in one choice: a first look of minutes, the paper's search, or what the widgets below say.

Knows: the settings and the number of prompts of each size, and the widgets that show them. Does not know: how the rest
of the form is drawn. A size only sets widgets; a widget that is changed afterwards makes it one's own choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import streamlit as st

from core.discovery.settings import Settings
from core.statistics import rate
from pages.discover import reading_choices
from pages.shared.text import counted

FIRST_LOOK, PAPER, OWN = "First look (minutes)", "The paper's search (hours)", "Your own choice"
SIZE = "discover_run_size"
_WANTED = "discover_prompts_wanted"
STAGES = {"1": (1,), "1–2": (1, 2), "1–3": (1, 2, 3)}
#: The paper starts at 10 features a layer; in small SAEs fewer can be enough.
FIRST_K = (1, 2, 3, 5, 10)
#: Stage 2's τ: some, or all of the paper's.
THRESHOLDS = {"three": (0.1, 0.4, 0.8), "eight": Settings().thresholds}
#: The counts of tokens in the comparison with O'Brien et al.: the strictest alone, or all.
LEAST_TOKENS = {False: Settings().least_tokens[-1:], True: Settings().least_tokens}


@dataclass(frozen=True)
class Size:
    """settings: what the widgets are set to. prompts: of each kind, where the list has as many."""

    settings: Settings
    prompts: int


class Given(NamedTuple):
    """One side's prompts: those to use, and how many there are that can be used. categories: of each, if any."""

    prompts: tuple[str, ...] = ()
    of: int = 0
    categories: tuple[str, ...] = ()


SIZES = {
    FIRST_LOOK: Size(
        Settings(
            stages=(1, 2),
            k_steps=(1, 2, 3, 5, 10),
            k_beside=(),
            length_prompts=0,
            least_tokens=LEAST_TOKENS[False],
            thresholds=THRESHOLDS["three"],
            control_draws=1,
            cost_sets=0,
            public_texts=0,
        ),
        12,
    ),
    PAPER: Size(Settings(), 60),
}


def k_steps(first: int, largest: int) -> tuple[int, ...]:
    """Stage 1's K from the first to the largest: the paper's steps of 10, and the smaller ones that were asked for."""
    return tuple(k for k in (*FIRST_K[:-1], *Settings().k_steps) if first <= k <= largest)


def prompts_wanted() -> int:
    """How many prompts of each kind are used until somebody moves the slider."""
    return int(st.session_state.get(_WANTED, SIZES[FIRST_LOOK].prompts))


def prompts_key(side: str, of: int) -> str:
    """The slider's key. It carries the count: another list is another slider, never one with a value out of range."""
    return f"discover_{side}_most_{of}"


def fill_in() -> None:
    """Give every widget its value before it is drawn, on the first visit and after one was on another page.

    The value is sent with every run: the browser makes the widgets of a popover when it is opened, and would otherwise
    start each from its least value.
    """
    if SIZE not in st.session_state:
        st.session_state.pop(_WANTED, None)
    for key, value in _values(SIZES.get(st.session_state.get(SIZE, FIRST_LOOK), SIZES[FIRST_LOOK]).settings).items():
        st.session_state[key] = st.session_state.get(key, value)


def control(settings: Settings, harmful: Given, benign: Given) -> None:
    """The choice itself, and what a run of this size can show.

    It is drawn last, in a place at the top that was kept for it, because it shows what the widgets say.
    """
    shown = st.session_state.get(SIZE, FIRST_LOOK)
    if shown in SIZES and not _fits(SIZES[shown], settings, harmful, benign):
        shown = OWN
    st.session_state[SIZE] = shown
    st.segmented_control(
        "Size of the run",
        [*SIZES, OWN],
        key=SIZE,
        required=True,
        on_change=_set_widgets,
        help="Sets the number of requests, the stages and the settings below. Each of them can still be changed.",
        persist_state="session",
    )
    st.caption(_what_it_shows(settings, len(harmful.prompts), len(benign.prompts)))


def _fits(size: Size, settings: Settings, *given: Given) -> bool:
    # What no size is about stays as it is.
    wanted = replace(
        size.settings,
        keep_answers=settings.keep_answers,
        seed=settings.seed,
        tokens_per_forward=settings.tokens_per_forward,
    )
    return wanted == settings and all(len(one.prompts) == min(one.of, size.prompts) for one in given)


def _set_widgets() -> None:
    size = SIZES.get(st.session_state[SIZE])
    if size is None:
        return
    st.session_state.update(_values(size.settings))
    st.session_state[_WANTED] = size.prompts
    for key in [str(key) for key in st.session_state]:
        if key.startswith((prompts_key("harmful", 0)[:-1], prompts_key("benign", 0)[:-1])):
            del st.session_state[key]


def _values(s: Settings) -> dict[str, Any]:
    """Widget → value, for all that a size sets."""
    readings = {f"discover_{name}": getattr(s, name) for name in reading_choices.NAMES}
    return readings | {
        "discover_stages": next(name for name, stages in STAGES.items() if stages == s.stages),
        "discover_tokens": s.tokens,
        "discover_length_prompts": s.length_prompts,
        "discover_first_k": s.k_steps[0],
        "discover_k": s.k_steps[-1],
        "discover_small": bool(s.k_beside),
        "discover_least_tokens": s.least_tokens == LEAST_TOKENS[True],
        "discover_thresholds": next(name for name, taus in THRESHOLDS.items() if taus == s.thresholds),
        "discover_reading": s.reading,
        "discover_seeds": len(s.seeds),
        "discover_control_draws": s.control_draws,
        "discover_interactions": s.interaction_steps[-1],
        "discover_size": s.embedding_size,
        "discover_machine_seeds": s.machine_seeds,
        "discover_cost_sets": s.cost_sets,
        "discover_public": bool(s.public_texts),
    }


def _what_it_shows(settings: Settings, harmful: int, benign: int) -> str:
    """Of which size the run is, and how wide its intervals will be."""
    stages = "stage 1" if settings.stages == (1,) else f"stages 1 to {max(settings.stages)}"
    said = f"{counted(harmful, 'harmful request')}, {counted(benign, 'benign request')}, {stages}. "
    first, papers = settings.k_steps[0], Settings().k_steps[0]
    if first != papers:
        said += f"Stage 1 begins with K = {first} features per layer, the paper with {papers}. "
    if not harmful:
        return said
    half = rate(round(harmful / 2), harmful)
    said += f"If {half.hits} of {half.n} refusals flip, the 95% interval is {half.low:.0%} to {half.high:.0%}. "
    if harmful < 30:
        said += (
            "So few requests show whether some features can turn this model's refusals into answers, and which. They "
            "are too few to say how often, or to compare two shares."
        )
    return said
