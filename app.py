"""Hydrascope: the table of pages and the shared sidebar, nothing else."""

from pathlib import Path

import streamlit as st

from pages.shared.workspace import session

st.set_page_config(
    page_title="Hydrascope", page_icon=str(Path(__file__).parent / "pages/shared/icon.svg"), layout="wide"
)

pages = [
    st.Page(
        "pages/audit/page.py",
        title="Audit",
        icon=":material/troubleshoot:",
        default=True,
        help="One prompt: where refusal arises in it, and what changes when features are switched off.",
    ),
    st.Page(
        "pages/discover/page.py",
        title="Discover",
        icon=":material/travel_explore:",
        url_path="discover",
        help="Many prompts: the paper's three-stage search for the features that refuse.",
    ),
    st.Page(
        "pages/hydra/page.py",
        title="Hydra",
        icon=":material/account_tree:",
        url_path="hydra",
        help="Which silent features wake when others are switched off, and whether they take over refusing.",
    ),
    st.Page(
        "pages/bos/page.py",
        title="BOS",
        icon=":material/first_page:",
        url_path="bos",
        help="Features clamped at the first token: what harmless requests get, and whether it is a defence.",
    ),
    st.Page(
        "pages/judges/page.py",
        title="Judges",
        icon=":material/gavel:",
        url_path="judges",
        help="Whether answers refuse, judged by rules or a classifier, and how far two judges agree.",
    ),
    st.Page(
        "pages/models/page.py",
        title="Models",
        icon=":material/deployed_code:",
        url_path="models",
        help="The model that the pages use, and what each model needs before it is loaded.",
    ),
]
page = st.navigation(pages, position="hidden")
# Each opening of a page has a number: a page's widgets begin anew then, and have to be filled anew.
if st.session_state.get("page") != page.title:
    st.session_state["page"], st.session_state["visit"] = page.title, st.session_state.get("visit", 0) + 1
session.follow_address()
with st.sidebar:
    st.markdown("**Hydrascope**  \n:gray[Why does a model refuse?]")
    # Links of our own, because they carry the workspace; Streamlit's would open each page with a bare address.
    with st.container(gap="xsmall", key="page_links"):
        for each in pages:
            # A tooltip would lie over the link above it.
            st.page_link(each, query_params=session.parameters(), help="", width="stretch")
page.run()
session.run_ended()
