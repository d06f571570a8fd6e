"""The Models page as a visitor handles it, without a browser."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from cache.jobs.queue import shared_queue
from pages.models import picker
from tests.waiting import until

PAGE = str(Path(picker.__file__).with_name("page.py"))


def ended(app: AppTest) -> AppTest:
    """The page when no job is under way any more."""
    until(lambda: not shared_queue().under_way())
    return app.run()


def used(app: AppTest) -> AppTest:
    """After a click on “Use this model”, when the load has ended."""
    app.button(key="models_load").click().run()
    return ended(app)


def said(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.error, *app.warning, *app.info))
