"""What an annotator sees of one item: a feature's label and strongest samples, or a prompt and an answer.

Knows: an item's texts, which are shown as text. Does not know: its name, group or truth, which are not shown.
"""

from __future__ import annotations

import streamlit as st

from core.labels.contexts import Context
from core.labels.wording import TEMPLATE
from core.study.items import Study, StudyItem
from pages.shared.text import escaped, plain, visible


def show(study: Study, item: StudyItem) -> None:
    """The item."""
    if study.kind == "features":
        _feature(item)
    else:
        _answer(item)


def _feature(item: StudyItem) -> None:
    explanation = item.label.removeprefix(TEMPLATE)
    kind = " :gray[(only on the chat template's own tokens)]" if item.label.startswith(TEMPLATE) else ""
    st.markdown(f"**Explanation** {plain(explanation)}{kind}")
    if item.promoted:
        st.caption(f"Raises the next tokens {plain(item.promoted)}")
    st.html(samples(item.samples))


def samples(found: tuple[Context, ...]) -> str:
    """Strongest first: the text around the token, the token, and the activation there, as HTML in which all is text."""
    if not found:
        return "<p class='hs-context'>No example in the sample.</p>"
    rows = "".join(
        f"<tr><td><div class='hs-context'>{escaped(one.before)}<mark>{escaped(_marked(one.token))}</mark>"
        f"{escaped(one.after)}</div></td><td><code>{escaped(visible(one.token))}</code></td><td>{one.activation:.2f}</td></tr>"
        for one in found
    )
    return (
        "<table class='hs-samples'><thead><tr><th>Strongest samples</th><th>Top token</th><th>Activation</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _marked(token: str) -> str:
    """A token as it stands in its text; one that is nothing but blanks is made visible."""
    return token if token.strip() else visible(token)


def _answer(item: StudyItem) -> None:
    st.markdown(f"**{plain(item.prompt)}**")
    text = escaped(item.answer.strip()) or "<span class='hs-wait'>(an empty answer)</span>"
    st.html(f"<div class='hs-answer'>{text}</div>")
