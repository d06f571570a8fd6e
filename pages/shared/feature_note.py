"""What is known about one feature, from where, and a way to ask Neuronpedia.

Knows: one expander a feature. Does not know: the table. Everything from elsewhere is shown as text; nothing is asked of
a network before somebody presses the button.
"""

from __future__ import annotations

import streamlit as st

from core import Engine, Feature, HydrascopeError
from core.labels.notes import FeatureNote, Labels
from pages.shared import measurements, sae_cards
from pages.shared.text import escaped, plain, visible
from pages.shared.trouble import show_error


def show(engine: Engine, feature: Feature, labels: Labels) -> None:
    """The expander, open."""
    note = labels.note(feature)
    label = plain(note.label, most=70) if note and note.label else ""
    title = f"{feature} · {label}" if label else str(feature)
    with st.expander(title, icon=":material/info:", expanded=True):
        if note is None or not note.label:
            st.caption("This feature has no label.")
        if note is not None:
            for sentence in sentences(note):
                st.caption(plain(sentence))
            if note.contexts or note.density is not None:
                st.html(contexts(note))
        if quality := sae_cards.about_layer(engine.spec, feature.layer):
            st.caption(plain(quality))
        _neuronpedia(engine, feature)


def sentences(note: FeatureNote) -> list[str]:
    """Where the label is from, and the figures, as plain text."""
    origin = {"shipped": "shipped with the model", "Neuronpedia": "from Neuronpedia", "made here": "made here"}
    about = f" ({note.about})" if note.about else ""
    found = [
        f"Label {origin[note.origin]}{about}." if note.label else f"This description is {origin[note.origin]}{about}."
    ]
    figures = []
    if note.density is not None:
        figures.append(f"Active on {_share(note.density)} of sample tokens")
    if note.max_activation is not None:
        figures.append(f"{'at' if figures else 'At'} most {_activation(note.max_activation)}")
    figure = f"{', '.join(figures)}. " if figures else ""
    writes = f"Its decoder row promotes: {note.promoted}." if note.promoted else ""
    against = f" It suppresses: {note.suppressed}." if note.suppressed else ""
    if text := f"{figure}{writes}{against}".strip():
        found.append(text)
    return found


def _share(density: float) -> str:
    return "less than 0.01%" if 0 < density < 1e-4 else f"{density:.2%}"


def _activation(value: float) -> str:
    return f"{value:.2f}" if value == 0 or value >= 0.1 else f"{value:.2g}"


def contexts(note: FeatureNote) -> str:
    """Where it fires in the sample, as HTML in which everything that is text is escaped."""
    lines = [
        f'<div class="hs-context">{escaped(context.before)}<mark>{escaped(_seen(context.token))}</mark>'
        f"{escaped(context.after)} <span>{_activation(context.activation)}</span></div>"
        for context in note.contexts
    ]
    return "".join(lines) or '<div class="hs-context">No example in the sample.</div>'


def _seen(token: str) -> str:
    """A token of blanks alone made visible, or nobody would see which one fires."""
    return token if token.strip() else visible(token)


def _neuronpedia(engine: Engine, feature: Feature) -> None:
    """The link to its page, and the button where the page may say more than is known here."""
    there = measurements.neuronpedia(engine, engine.spec.name)
    page = there.page(feature)
    if not page:
        return
    asked = False
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.link_button("See this feature on Neuronpedia", page, icon=":material/open_in_new:", type="tertiary")
        if there.worth_asking(feature):
            asked = st.button(
                "Look up on Neuronpedia",
                key=f"ask_{feature}",
                icon=":material/travel_explore:",
                help="Sends only the name of this feature, never your prompt, and keeps the answer.",
            )
        elif (looked := there.looked(feature)) and not (looked.explained and looked.explained.label):
            what = "no page for this feature" if looked.explained is None else "no explanation of this feature"
            st.caption(f"Neuronpedia had {what} on {looked.asked_at:%Y-%m-%d}.")
    if asked:
        try:
            with st.spinner("Looking up the feature on Neuronpedia"):
                there.look_up(feature)
        except HydrascopeError as error:
            show_error(error)
        else:
            st.rerun()
