"""Which labelled prompts say what features are about: the shipped ones, a public set that is here, or a file.

Knows: the widgets of the choice. Does not know: features. A public set is fetched on the Discover page or the command
line; here it is taken as a file, with its own contrast prompts.
"""

from __future__ import annotations

import streamlit as st

from core import Engine, InputError
from core.prompts.categories import Labelled, from_lists, from_shipped
from core.prompts.checked import check_list
from core.prompts.files import ENDINGS, PromptFile, read_prompts
from core.prompts.public_sets import PromptList, list_of
from pages.shared import measurements
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.shared.uploads import uploaded

FROM, MOST = "features_prompts_from", "features_most"
SHIPPED, FILE = "Shipped prompts", "A file with categories"
HARMFUL, CONTRAST = "features_harmful_file", "features_contrast_file"
#: Prompts of each category at first: a look takes a minute or two on a processor.
AT_FIRST = 10


def choose(engine: Engine) -> Labelled | None:
    """In a popover; None where there are none that can be used, and why stands there."""
    offered = [SHIPPED, FILE] if engine.spec.prompts else [FILE]
    with st.popover("Prompts", icon=":material/category:", type="tertiary", key="features_prompts"):
        source = st.segmented_control(
            "Prompts",
            offered,
            default=offered[0],
            key=FROM,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        try:
            found = _shipped(engine) if source == SHIPPED else _from_files(engine)
        except InputError as error:
            if source == SHIPPED:  # nobody's mistake
                st.caption(plain(str(error)))
            else:
                show_error(error)
            return None
        if found is None:
            return None
        most = st.number_input(
            "Prompts of each category, at most",
            8,
            1000,
            AT_FIRST,
            key=MOST,
            persist_state="session",
            help="More prompts make the figures surer, and take longer to read.",
        )
        found = found.first(int(most))
        counts = ", ".join(f"{name} {found.categories.count(name)}" for name in found.names)
        st.caption(plain(f"{counts}; {counted(len(found.contrast), 'contrast prompt')}."))
        if found.left_out:
            left = ", ".join(name for name, _ in found.left_out)
            st.caption(plain(f"Left out, with too few prompts: {left}.", most=400))
        if found.uncategorized:
            st.caption(f"Left out, without a category: {counted(found.uncategorized, 'prompt')}.")
        if found.both:
            st.caption(f"Left out of the contrast, because harmful too: {counted(found.both, 'prompt')}.")
    return found


def _shipped(engine: Engine) -> Labelled:
    return from_shipped(measurements.shipped_prompts(engine, engine.spec.name))


def _from_files(engine: Engine) -> Labelled | None:
    given = uploaded("Harmful prompts with a category", ENDINGS, HARMFUL, read_prompts)
    other = uploaded(
        "Contrast prompts (optional)",
        ENDINGS,
        CONTRAST,
        read_prompts,
        help="Requests like the others that should be answered, such as CoCoNot's contrast prompts. Without them, each "
        "category is compared with the others.",
    )
    if given is None:
        st.caption("Give a file with a column “category” or “subcategory”, such as CoCoNot's.")
        return None
    contrast = None if other is None else _checked(engine, other)
    return from_lists(_checked(engine, given), contrast)


def _checked(engine: Engine, file: PromptFile) -> PromptList:
    """The prompts that can be used; what to look at and what was left out stands there. Raises InputError."""
    checked = check_list(list_of(file), engine.tokenizer, engine.context_length).some()
    for sentence in checked.warnings:
        st.warning(plain(sentence), icon=":material/warning:")
    if checked.report.dropped:
        lines = (checked.report.sentence(), *checked.report.rows_dropped())
        st.caption(plain(f"{file.name}: {'; '.join(lines)}", most=600))
    return checked.found
