"""Hydrascope: the table of pages and the shared sidebar, nothing else.

`streamlit run app.py` imports this file once, for the server and what guards it, and then runs it for every visitor.
"""

from pathlib import Path

import streamlit as st


def draw() -> None:
    """The frame and the page that is open."""
    # Before the other imports, which take seconds at the first start: a sidebar drawn meanwhile would keep its width.
    st.set_page_config(
        page_title="Hydrascope",
        page_icon=str(Path(__file__).parent / "pages/shared/icon.svg"),
        layout="wide",
        initial_sidebar_state=240,
    )

    from pages.shared import outside_link, sidebar
    from pages.shared.trouble import shown_as_sentences
    from pages.shared.workspace import session

    pages = [
        st.Page(
            "pages/audit/page.py",
            title="Audit",
            icon=":material/troubleshoot:",
            default=True,
            help="One prompt: see where refusal arises, and what changes when you switch features off.",
        ),
        st.Page(
            "pages/discover/page.py",
            title="Discover",
            icon=":material/travel_explore:",
            url_path="discover",
            help="Many prompts: run the paper's three-stage search for the features that cause refusal.",
        ),
        st.Page(
            "pages/hydra/page.py",
            title="Hydra",
            icon=":material/account_tree:",
            url_path="hydra",
            help="See which silent features wake when you switch others off, and whether they take over refusal.",
        ),
        st.Page(
            "pages/bos/page.py",
            title="BOS",
            icon=":material/first_page:",
            url_path="bos",
            help=(
                "Clamp features at the first token. See the answers to harmless requests, and whether the clamp is a "
                "defence."
            ),
        ),
        st.Page(
            "pages/judges/page.py",
            title="Judges",
            icon=":material/gavel:",
            url_path="judges",
            help="Judge by rules or a classifier whether answers refuse, and measure how far two judges agree.",
        ),
        st.Page(
            "pages/features/page.py",
            title="Features",
            icon=":material/category:",
            url_path="features",
            help="See what features are about: categories, roles, label scores; keep lists of them.",
        ),
        st.Page(
            "pages/study/page.py",
            title="Study",
            icon=":material/group:",
            url_path="study",
            help="Ask people what features are about, or what answers are, and see how far they agree.",
        ),
        st.Page(
            "pages/models/page.py",
            title="Models",
            icon=":material/deployed_code:",
            url_path="models",
            help="Choose the model that every page uses, and see what each model needs before you load it.",
        ),
    ]
    page = st.navigation(pages, position="hidden")
    # Each opening of a page has a number: a page's widgets then start empty and have to be filled again.
    if st.session_state.get("page") != page.title:
        st.session_state["page"], st.session_state["visit"] = page.title, st.session_state.get("visit", 0) + 1
    session.follow_address()
    if session.waits_for_click():
        outside_link.draw()
        return
    with st.sidebar:
        st.markdown("**Hydrascope**  \n:gray[Why does a model refuse?]")
        # Links of our own, because they carry the workspace; Streamlit's would open each page with a bare address.
        with st.container(gap="xsmall", key="page_links"):
            for each in pages:
                # A tooltip would lie over the link above it.
                st.page_link(each, query_params=session.parameters(), help="", width="stretch")
        went_back = False
        with shown_as_sentences("the sidebar"):
            went_back = sidebar.draw()
    if went_back and page is not pages[0]:
        session.go_to(session.AUDIT_PAGE)
    page.run()
    session.run_ended()


if __name__ == "__main__":
    draw()
else:
    from collections.abc import AsyncIterator
    from contextlib import asynccontextmanager

    from starlette.middleware import Middleware

    from pages.shared.guard import Guard

    @asynccontextmanager
    async def serving(app: st.App) -> AsyncIterator[None]:
        """Until Ctrl+C or a signal: then the process ends here, before uvicorn raises the signal once more."""
        yield
        from core.commands.run import end_server

        end_server(0)

    app = st.App(__file__, middleware=[Middleware(Guard)], lifespan=serving)
