"""Hydrascope: the table of pages and the shared sidebar, nothing else."""

from pathlib import Path

import streamlit as st

st.set_page_config(
    page_title="Hydrascope", page_icon=str(Path(__file__).parent / "pages/shared/icon.svg"), layout="wide"
)

page = st.navigation(
    [
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
            help="Features held up at the first token: what harmless requests get, and whether it defends.",
        ),
        st.Page(
            "pages/judges/page.py",
            title="Judges",
            icon=":material/gavel:",
            url_path="judges",
            help="What answers are, by rules or a classifier, and how far two judges agree.",
        ),
        st.Page(
            "pages/models/page.py",
            title="Models",
            icon=":material/deployed_code:",
            url_path="models",
            help="Which model the pages use, and what each one takes before it is loaded.",
        ),
    ]
)
# A page may want to know whether it was just opened or is running again.
st.session_state["opened_from"], st.session_state["page"] = st.session_state.get("page"), page.title
with st.sidebar:
    st.markdown("**Hydrascope** :gray[why does it refuse?]")
page.run()
