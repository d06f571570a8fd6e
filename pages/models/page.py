"""The Models page: which model every page uses. This file is the page's order of things and nothing else."""

from __future__ import annotations

import streamlit as st

from pages.models.picker import show_models
from pages.shared.style import use_style

use_style()
st.title("Models", anchor=False)
st.markdown("Choose the model that every page uses. Nothing is downloaded or loaded until you press the button.")
show_models()
