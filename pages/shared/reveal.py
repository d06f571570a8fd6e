"""Scroll to what a click has opened, where it lies below the fold.

Knows: one invisible component, which brings itself into view once for every `what`. Does not know: what was opened.
"""

from __future__ import annotations

import streamlit as st

#: The end of what was opened is brought into view, and no further, so that what was clicked stays in sight.
_SCRIPT = """
const seen = new WeakMap();
export default function ({ parentElement, data }) {
  const host = parentElement.host ?? parentElement;
  if (seen.get(host) === data) return;
  seen.set(host, data);
  requestAnimationFrame(() => host.scrollIntoView({ block: "nearest", behavior: "smooth" }));
}
"""


def reveal(what: str, key: str) -> None:
    """Call after what was opened is drawn; its end is scrolled into view when `what` is another than last time."""
    component = st.components.v2.component("hydrascope_reveal", html="<span></span>", js=_SCRIPT)
    component(data=what, key=key, height=1)
