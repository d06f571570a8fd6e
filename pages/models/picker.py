"""Choosing a model: what each takes before anything loads, and loading it.

Knows: the catalogue, what a model needs, the process's one resident engine. Does not know: how anything is loaded.
The choice is the process's: one model is held at a time, whoever looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from cache.engines import get_engine, is_loaded
from core import HydrascopeError, ModelSpec
from core.errors import Cancelled
from core.hub.errors import size_text
from core.models.added import added_models
from core.models.catalogue import MODELS, Choice, KnownModel, model_of
from core.models.files import make_ready
from core.models.footprint import Footprint, footprint
from core.models.registry import choose_model, chosen_name, find_spec, from_catalogue, model_names
from pages.models import own
from pages.shared.engine import newer_request_waits
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error, shown_as_sentences

MODEL, SUITE, LAYERS = "models_model", "models_suite", "models_layers"
#: What is said of a load that was stopped, and of which model: the click that stops runs the page anew.
STOPPED = "models_stopped"


@dataclass(frozen=True)
class _Looked:
    """What a spec takes, or the sentence why that cannot be said."""

    found: Footprint | None
    trouble: HydrascopeError | None


@st.fragment(key="models")
def models() -> None:
    """The whole page: choose, see what it takes, load."""
    with shown_as_sentences("the Models page"):
        now = chosen_name()
        st.markdown(f"In use: **{plain(now)}**" + ("" if is_loaded(now) else " :gray[loaded when a page needs it]"))
        heads = _heads()
        if st.session_state.get(MODEL) not in heads:  # a first visit, or one's own that is gone
            st.session_state[MODEL] = _head(now) if _head(now) in heads else heads[0]
        head = st.selectbox("Model", heads, key=MODEL, format_func=_told)
        known = model_of(str(head))
        spec = find_spec(str(head)) if known is None else _suite(known)
        _about(spec, known)
        looked = _asked(spec.name, spec.layers, spec)
        if looked.trouble is not None:
            show_error(looked.trouble)
        if looked.found is not None:
            _needs(looked.found)
        _load(spec, now, looked.found)
        own.remove(spec.name, now, MODEL)
        own.add(MODEL)


def _heads() -> list[str]:
    """The demo, what was registered here, one's own, and the catalogue, a model each."""
    return list(dict.fromkeys(map(_head, model_names())))


def _head(name: str) -> str:
    """The model of a catalogue's name, without suite and options; any other name is whole."""
    known = model_of(name)
    return name if known is None else known.name


def _told(name: str) -> str:
    known = {model.name: model.model_id for model in MODELS} | {n: one.model_id for n, one in added_models().items()}
    return f"{name} · {known[name]}" if name in known else name


def _suite(known: KnownModel) -> ModelSpec:
    """Which SAEs, in which of the suite's usual layers."""
    suites = {suite.name: suite for suite in known.suites}
    left, right = st.columns([1, 2], gap="medium")
    with left:
        suite = suites[str(st.selectbox("SAE suite", list(suites), key=f"{SUITE}_{known.name}"))]
    bare = known.system_block and st.checkbox(
        "Without the system block",
        key=f"models_bare_{known.name}",
        help="This model's chat template writes a system block with two dates before every request. Left out, a "
        "request stands alone, as in much of the literature; a direction computed with it does not count without it.",
    )
    name = Choice(known, suite, no_system=bare).name
    with right:
        chosen = st.multiselect(
            "Layers with SAEs",
            list(suite.layers),
            default=list(suite.layers),
            key=f"{LAYERS}_{name}",
            help="Fewer layers are a smaller download. The usual ones are those the paper searched, where it used the "
            "model.",
        )
    return from_catalogue(name, tuple(sorted(chosen)))


def _about(spec: ModelSpec, known: KnownModel | None) -> None:
    said = [plain(spec.caveat)] if spec.caveat else []
    if known is not None and known.steering_layer is not None:
        said.append(f"The paper steers it at layer {known.steering_layer}.")
    if known is not None and known.gated:
        said.append("Gated: its licence is accepted once, on its page on the hub.")
    if said:
        st.caption(" ".join(said))


@st.cache_data(ttl=300, max_entries=64, show_spinner="Asking what it takes")
def _asked(name: str, layers: tuple[int, ...], _spec: ModelSpec) -> _Looked:
    try:
        return _Looked(footprint(_spec), None)
    except HydrascopeError as error:
        return _Looked(None, error)


def _forget() -> None:
    _asked.clear()


def _needs(found: Footprint) -> None:
    """The figures, and whether it fits."""
    with st.container(border=True, key="models_needs"):
        columns = st.columns(4)
        for column, (title, value, note) in zip(
            columns,
            (
                ("Parameters", _many(found.parameters), "Told from the size of the weights"),
                ("To download", size_text(found.download) if found.download else "nothing", "Of model and SAEs"),
                (
                    "To pack",
                    size_text(found.packing) if found.packing else "nothing",
                    "SAEs are repacked once, a feature a record, so that any feature is one small read",
                ),
                ("Memory", f"≈ {size_text(found.memory)}", f"{size_text(found.free)} free; {found.placement}"),
            ),
            strict=True,
        ):
            column.metric(title, value, help=note)
        packed = f"{found.saes_packed} of {counted(found.saes, 'SAE')} packed already. " if found.saes_packed else ""
        st.markdown(f"{':material/check_circle:' if found.fits else ':material/warning:'} {plain(found.verdict)}")
        st.caption(f"{packed}{plain(found.placement)}." + ("" if found.online else " The hub could not be asked."))
        if found.needs_token:
            st.warning(
                "Gated, and no token with access is on this machine: accept the licence on the model's page, then log "
                "in with hf auth login, or set HF_TOKEN.",
                icon=":material/lock:",
            )


def _many(parameters: int) -> str:
    """“2.61 B”, “135 M”."""
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{max(parameters / 1e6, 0.1):.3g} M"


def _load(spec: ModelSpec, now: str, found: Footprint | None) -> None:
    """The button, and what it does: files first, while the model in use stays; then the change."""
    same = spec.name == now and is_loaded(now) and get_engine(now).spec.layers == spec.layers
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        asked = st.button(
            "In use" if same else "Use this model",
            key="models_load",
            type="primary",
            icon=":material/download_done:",
            disabled=same or found is None or found.needs_token,
        )
        st.button(
            "Look again",
            key="models_again",
            icon=":material/refresh:",
            type="tertiary",
            on_click=_forget,
            help="Ask the hub anew: after accepting a licence, logging in, or freeing some room",
        )
        place = st.empty()
    if not asked:
        name, sentence = st.session_state.get(STOPPED, ("", ""))
        if name == spec.name:
            st.info(plain(sentence), icon=":material/stop_circle:")
        return
    st.session_state.pop(STOPPED, None)
    with place:
        st.button("Stop", key="models_stop", icon=":material/stop:")
    note, bar = st.empty(), st.progress(0.0, "Starting")

    def told(message: str, share: float) -> None:
        bar.progress(min(max(share, 0.0), 1.0), plain(message))

    before = find_spec(now)
    try:
        make_ready(spec, told, newer_request_waits)
        choose(spec)
        get_engine(spec.name, told, newer_request_waits)
    except Cancelled as stopped:
        st.session_state[STOPPED] = (spec.name, str(stopped))
        return
    except HydrascopeError as error:
        choose_model(before)
        with note:
            show_error(error)
        return
    finally:
        bar.empty()
        place.empty()
        _forget()
    st.rerun()
