"""One feature as a card: where it fires, how strongly, its categories, role, effect, and its label with its score.

Knows: a card's widgets. Does not know: how a feature was chosen. All that others wrote is shown as text.
"""

from __future__ import annotations

import streamlit as st

from core import Engine, Feature
from core.edits.text import Word
from core.labels.notes import FeatureNote, Labels
from core.semantics.about import About
from core.semantics.one_sentence import Written
from core.semantics.roles import HOW
from pages.features import charts
from pages.shared import feature_note, sae_cards
from pages.shared.text import plain, signed
from pages.shared.workspace import session
from pages.shared.workspace.state import with_ticks

#: Cards shown at a time.
AT_ONCE = 6
SHOWN = "features_cards_shown"
_PAGES = (
    ("Audit", session.AUDIT_PAGE, ":material/troubleshoot:"),
    ("Hydra", session.HYDRA_PAGE, ":material/account_tree:"),
    ("BOS", session.BOS_PAGE, ":material/first_page:"),
)


def several(engine: Engine, labels: Labels, features: list[Feature], found: About | None) -> None:
    """A card each of the first few, and a button for more."""
    shown = max(AT_ONCE, int(st.session_state.get(SHOWN, AT_ONCE)))
    for feature in features[:shown]:
        card(engine, labels, feature, found, "list")
    if len(features) > shown:
        st.button(
            f"Show {min(AT_ONCE, len(features) - shown)} more of {len(features):,}",
            key="features_more",
            icon=":material/expand_more:",
            on_click=lambda: st.session_state.update({SHOWN: shown + AT_ONCE}),
        )


def card(engine: Engine, labels: Labels, feature: Feature, found: About | None, where: str) -> None:
    """where: names this card's widgets, of which a page may have two for one feature."""
    note = labels.note(feature)
    with st.container(border=True, key=f"features_card_{where}_{feature}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{feature}** {_about(feature, found)}", width="content")
            st.space("stretch")
            _buttons(feature, where)
        st.markdown(plain(note.label) if note and note.label else ":gray[This feature has no label.]")
        if found is not None and found.written is not None:
            st.markdown(_sentence(found.written, feature))
        st.caption(_evidence(feature, note, found))
        if found is None:
            _contexts(note)
        else:
            left, right = st.columns(2, gap="medium")
            with left:
                _contexts(note)
                st.altair_chart(
                    charts.histogram(found, feature),
                    key=f"features_histogram_{where}_{feature}",
                    alt=charts.histogram_words(found, feature),
                )
            with right:
                st.altair_chart(
                    charts.category_bars(found, feature),
                    key=f"features_bars_{where}_{feature}",
                    alt=charts.category_words(found, feature),
                )
        if quality := sae_cards.about_layer(engine.spec, feature.layer):
            st.caption(plain(quality))


def _about(feature: Feature, found: About | None) -> str:
    """Role and verdict as badges of text."""
    if found is None:
        return ""
    place = found.place[feature]
    verdict, best = found.tests.verdict(place), found.tests.best(place)
    category = f": {plain(best)}" if best else ""
    return f":gray-badge[{found.role(feature)}] :gray-badge[{verdict}{category}]"


def _sentence(written: Written, feature: Feature) -> str:
    """The one-sentence label with its score, as Markdown."""
    label, score = written.labels.get(feature), written.scores.get(feature)
    if not label:
        return f":gray[{plain(written.by)} wrote no sentence: no context is known, or it refused.]"
    worth = f"Score {plain(score.sentence())}." if score else "It could not be scored."
    return f"“{plain(label)}” :gray[written by {plain(written.by)}. {worth}]"


def _evidence(feature: Feature, note: FeatureNote | None, found: About | None) -> str:
    """Score, effect, figures and source as Markdown."""
    parts = []
    if found is not None:
        score, effect = found.scores.get(feature), found.evidence[feature].effect
        parts.append(f"Label score {plain(score.sentence())}." if score else "The label could not be scored.")
        if effect is None:
            parts.append("Effect not measured: it fires on too few of the harmful prompts.")
        else:
            interval = f" (95% CI {signed(effect.low)} to {signed(effect.high)})" if effect.low == effect.low else ""
            parts.append(
                f"Ablating it moves the refusal score by {signed(effect.value)}{interval} on {effect.n} harmful "
                "prompts."
            )
        against = ", ".join(found.suppressed[feature])
        parts.append(f"Its decoder row suppresses: {plain(against)}.")
    if note is not None:
        parts += [plain(sentence) for sentence in feature_note.sentences(note)]
    return " ".join(parts)


def _contexts(note: FeatureNote | None) -> None:
    if note is not None:
        st.html(feature_note.contexts(note))


def _buttons(feature: Feature, where: str) -> None:
    """Into the active set, and to a page with it."""
    on = {Word.parse(word).name for word in session.current().words_on}
    there = str(feature) in on
    st.button(
        "In the active set" if there else "Add to the active set",
        key=f"features_add_{where}_{feature}",
        icon=":material/check:" if there else ":material/add:",
        type="tertiary",
        disabled=there,
        on_click=_add,
        args=(feature,),
        help="It is among the edits that are on." if there else "Ablates it on every page, beside the other edits.",
    )
    for title, page, icon in _PAGES:
        if st.button(
            title,
            key=f"features_open_{title}_{where}_{feature}",
            icon=icon,
            type="tertiary",
            help=f"Add it to the active set and open the {title} page",
        ):
            _add(feature)
            session.go_to(page)


def _add(feature: Feature) -> None:
    session.change(with_ticks(session.current(), [feature], ()))


def how() -> None:
    """What roles and verdicts mean."""
    with st.expander("How roles, categories and label scores are found", icon=":material/help:", key="features_how"):
        st.markdown(plain(HOW))
