"""A cold link to the Study page: see `pages/shared/cold_link.py`."""

from pages.shared.cold_link import open_app

open_app()
