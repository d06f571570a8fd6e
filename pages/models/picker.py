"""Choosing a model: what each takes before anything loads, and loading it.

Knows: the catalogue, what a model takes, which engine is loaded. Does not know: how anything is loaded. The choice
holds for the whole process: every visitor uses the same model.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from cache.engines import get_engine, is_loaded
from cache.jobs.queue import shared_queue
from core import HydrascopeError, ModelSpec
from core.models.added import added_models
from core.models.catalogue import KNOWN_MODELS, Choice, KnownModel, model_of
from core.models.footprint import Footprint, footprint
from core.models.registry import chosen_name, find_spec, from_catalogue, model_names
from core.models.trained import TRAINED, suite_name, trained_suite
from core.text.sizes import size_text
from pages.models import add_model, train
from pages.shared import model_loading, model_offer, sae_cards
from pages.shared.jobs import watch
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error, shown_as_sentences

MODEL, SUITE, LAYERS = "models_model", "models_suite", "models_layers"


@dataclass(frozen=True)
class _Looked:
    """What a spec takes, or the reason why nobody knows."""

    found: Footprint | None
    trouble: HydrascopeError | None


def show_models() -> None:
    """The whole page: choose, see what it takes, load."""
    with shown_as_sentences("the Models page"):
        now = chosen_name()
        st.markdown(
            f"In use: **{plain(now)}**"
            + ("" if is_loaded(now) else " :gray[not loaded yet; a page loads it when needed]")
        )
        model_offer.row(_select)
        heads = _heads()
        if st.session_state.get(MODEL) not in heads:  # a first visit, or an added model that is gone
            st.session_state[MODEL] = _head(now) if _head(now) in heads else heads[0]
        head = st.selectbox("Model", heads, key=MODEL, format_func=_title)
        known = model_of(str(head))
        spec = find_spec(str(head)) if known is None else _suite(known)
        _about(spec, known)
        looked = _asked(spec.name, spec.layers, shared_queue().ended, spec)
        if looked.trouble is not None:
            show_error(looked.trouble)
        if looked.found is not None:
            _footprint(looked.found)
        sae_cards.table(spec)
        _load(spec, now, looked.found)
        add_model.show_remove(spec.name, now, MODEL)
        train.show_train(spec.name)
        add_model.show_add(MODEL)


def _heads() -> list[str]:
    """The demo, models registered in this process, added models, and the catalogue; one entry a model."""
    return list(dict.fromkeys(map(_head, model_names())))


def _head(name: str) -> str:
    """A name of the catalogue without suite and options; any other name as it is."""
    known = model_of(name)
    return name if known is None else known.name


def _title(name: str) -> str:
    known = {model.name: model.model_id for model in KNOWN_MODELS} | {
        n: one.model_id for n, one in added_models().items()
    }
    return f"{name} · {known[name]}" if name in known else name


def _suite(known: KnownModel) -> ModelSpec:
    """Which SAEs, in which of the suite's usual layers."""
    suites = {suite.name: suite for suite in known.suites}
    trained = [TRAINED] if trained_suite(known.name) is not None else []
    left, right = st.columns([1, 2], gap="medium")
    with left:
        chosen_suite = str(
            st.selectbox("SAE suite", [*suites, *trained], key=f"{SUITE}_{known.name}", persist_state="session")
        )
    if chosen_suite == TRAINED:
        return find_spec(suite_name(known.name))
    suite = suites[chosen_suite]
    bare = known.system_block and st.checkbox(
        "Without the system block",
        key=f"models_bare_{known.name}",
        help="This model's chat template puts a system block with two dates before every request. Without the block, "
        "a request stands alone, as in much of the literature. A refusal direction computed with the block "
        "cannot be used without it.",
        persist_state="session",
    )
    name = Choice(known, suite, no_system=bare).name
    with right:
        chosen = st.multiselect(
            "Layers with SAEs",
            list(suite.layers),
            default=list(suite.layers),
            key=f"{LAYERS}_{name}",
            help=(
                "Fewer layers mean a smaller download. If the paper used this model, the paper's layers are selected."
            ),
            persist_state="session",
        )
    return from_catalogue(name, tuple(sorted(chosen)))


def _about(spec: ModelSpec, known: KnownModel | None) -> None:
    notes = [plain(spec.caveat)] if spec.caveat else []
    if known is not None and known.steering_layer is not None:
        notes.append(f"The paper steers it at layer {known.steering_layer}.")
    if known is not None and known.gated:
        notes.append("Gated: accept the licence once, on the model's page on the hub.")
    if notes:
        st.caption(" ".join(notes))


@st.cache_data(ttl=300, max_entries=64, show_spinner="Looking up what the model needs")
def _asked(name: str, layers: tuple[int, ...], jobs_ended: int, _spec: ModelSpec) -> _Looked:
    try:
        return _Looked(footprint(_spec), None)
    except HydrascopeError as error:
        return _Looked(None, error)


def _check_again(spec: ModelSpec) -> None:
    _asked.clear()
    model_loading.dismiss(spec)


def _footprint(found: Footprint) -> None:
    """The figures, and whether it fits."""
    with st.container(border=True, key="models_needs"):
        columns = st.columns(4)
        for column, (title, value, note) in zip(
            columns,
            (
                ("Parameters", _many(found.parameters), "Computed from the size of the weights."),
                ("To download", size_text(found.download) if found.download else "nothing", "The model and its SAEs."),
                (
                    "To pack",
                    size_text(found.packing) if found.packing else "nothing",
                    "SAEs are rewritten once, with one record per feature, so that reading a feature is fast.",
                ),
                ("Memory", f"≈ {size_text(found.memory)}", f"{size_text(found.free)} free; {found.placement}"),
            ),
            strict=True,
        ):
            column.metric(title, value, help=note)
        packed = f"{found.saes_packed} of {counted(found.saes, 'SAE')} already packed. " if found.saes_packed else ""
        st.markdown(f"{':material/check_circle:' if found.fits else ':material/warning:'} {plain(found.verdict)}")
        st.caption(
            f"{packed}{plain(found.placement)}." + ("" if found.online else " The model hub could not be reached.")
        )
        if found.needs_token:
            st.warning(
                "This model is gated, and this machine has no access token for it. Accept the licence on the "
                "model's page, then log in with hf auth login, or set HF_TOKEN.",
                icon=":material/lock:",
            )


def _many(parameters: int) -> str:
    """“2.61 B”, “135 M”."""
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{max(parameters / 1e6, 0.1):.3g} M"


def _load(spec: ModelSpec, now: str, found: Footprint | None) -> None:
    """The button, and the job it starts: files first, while the model in use stays; then the change."""
    same = spec.name == now and is_loaded(now) and get_engine(now).spec.layers == spec.layers
    loading = model_loading.under_way()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "In use" if same else "Use this model",
            key="models_load",
            type="primary",
            icon=":material/download_done:",
            disabled=same or loading or found is None or found.needs_token,
            on_click=model_loading.start,
            args=(spec,),
            help=_waits(same, loading, found is not None, found is not None and found.needs_token),
        )
        st.button(
            "Check again",
            key="models_again",
            icon=":material/refresh:",
            type="tertiary",
            on_click=_check_again,
            args=(spec,),
            help="Query the model hub again, for example after you accepted a licence, logged in or freed disk space.",
        )
    watch(model_loading.under_way, lambda: _progress(spec), key="models_live", every=1.0)


def _progress(spec: ModelSpec) -> None:
    """Every load under way, and how the last one of this model ended, if it failed."""
    model_loading.bars()
    model_loading.outcome(spec)


def _select(name: str) -> None:
    """Show a model that was chosen elsewhere on the page, with its progress."""
    st.session_state[MODEL] = name


def _waits(same: bool, loading: bool, known: bool, needs_token: bool) -> str | None:
    """What the button waits for."""
    if same:
        return "Every page uses this model already."
    if loading:
        return "Another model is being loaded. Stop that first, or wait for it."
    if needs_token:
        return "The hub wants a token for this model. See above."
    return None if known else "The model's files could not be found. See above."
