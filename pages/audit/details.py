"""What a careful reader asks next: how well the SAEs read this prompt, and where every number comes from.

Knows: two expanders. Does not know: the rest of the page. Both do their work only when opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core import Engine, HydrascopeError
from core.prompts.conversation import PromptLike
from core.statistics import rate
from pages.audit import charts
from pages.shared import measurements, notice, sae_cards
from pages.shared.number_table import with_true_minus
from pages.shared.progress_bar import progress_bar
from pages.shared.text import plain
from pages.shared.trouble import show_error

RULE = "audit_rule"
_RULES = {
    "paper": "highest flip rate on held-out prompts (the paper)",
    "arditi": "lowest refusal score under KL and induce limits (Arditi et al. 2024)",
    "published": "the layer the paper reports for this model",
    "balanced": "lowest KL among the layers that flip as often as the best, up to sampling error (ours)",
}


def error_by_layer(frame: pd.DataFrame) -> pd.DataFrame:
    """layer, mean (relative error without BOS), bos (error at BOS), active (mean L0 without BOS)."""
    rest = frame[frame["position"] > 0].groupby("layer").agg(mean=("error", "mean"), active=("active", "mean"))
    bos = frame[frame["position"] == 0].set_index("layer")["error"].rename("bos")
    return rest.join(bos).reset_index()


def reconstruction(engine: Engine, key: str, prompt: PromptLike) -> None:
    """SAE reconstruction error per layer, BOS apart."""
    with st.expander(
        "How well the SAEs read this prompt", icon=":material/troubleshoot:", key="reconstruction", on_change="rerun"
    ) as place:
        if not place.open:
            return
        frame = error_by_layer(measurements.reconstruction(engine, key, prompt))
        st.caption(
            "Bars show the error ‖h − ĥ‖ / ‖h‖ of each SAE at its layer, averaged over all tokens except BOS. Ticks "
            "show the error at BOS, which most SAEs were not trained on. No feature explains the part that an SAE "
            "misses, and edits do not change that part."
        )
        if quality := sae_cards.line(engine.spec):
            st.caption(f"On other text: {plain(quality)} The Models page has every layer’s figures.")
        st.altair_chart(
            charts.error_chart(frame), alt="SAE reconstruction error by layer, with BOS shown separately", key="errors"
        )


def provenance(engine: Engine) -> None:
    """Model, device, SAEs, direction; and a way to compute the direction again."""
    with st.expander("Provenance", icon=":material/fact_check:", key="provenance", on_change="rerun") as place:
        if not place.open:
            return
        spec = engine.spec
        if spec.caveat:
            st.info(plain(spec.caveat), icon=":material/info:")
        st.table({name: plain(text) for name, text in facts(engine).items()}, border="horizontal", width="content")
        if engine.has_direction:
            _scores(engine.direction().provenance)
        _recompute(engine)


def facts(engine: Engine) -> dict[str, str]:
    """What every number on the page depends on, as text."""
    spec = engine.spec
    tokens = zip(engine.refusal_pieces, spec.refusal_tokens, strict=True)
    found = {
        "Model": f"{spec.name} ({spec.model_id})",
        "Revision": spec.revision or "not specified",
        "Runs on": engine.placement,
        "SAEs": " ".join(filter(None, (f"{_widths(engine.widths)}.", sae_cards.line(spec)))),
        "Refusal tokens": ", ".join(f"“{piece}” ({number})" for piece, number in tokens),
    }
    if engine.has_direction:
        direction = engine.direction()
        record = direction.provenance
        found["Direction"] = (
            f"layer {direction.layer}, position {direction.position}, norm {direction.norm:.2f}, {direction.key}"
        )
        found["Chosen by"] = _RULES.get(str(record.get("rule", "")), str(record.get("rule", "not recorded")))
        chosen = record.get("chosen")
        if isinstance(chosen, dict):
            layers = {rule: "none" if layer is None else f"layer {layer}" for rule, layer in chosen.items()}
            found["Each rule’s choice"] = ", ".join(f"{rule}: {layer}" for rule, layer in layers.items())
        rest = {k: v for k, v in record.items() if k not in ("rule",) and isinstance(v, str | int | float | bool)}
        if rest:
            found["Record"] = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in rest.items())
    return found


def _widths(widths: Mapping[int, int]) -> str:
    """“layers 4, 6, 8 with 2,048 features each”, or layer by layer where they differ."""
    if not widths:
        return "none"
    if len(set(widths.values())) == 1:
        return f"layers {', '.join(map(str, widths))} with {next(iter(widths.values())):,} features each"
    return ", ".join(f"layer {layer}: {width:,} features" for layer, width in widths.items())


def _scores(record: Any) -> None:
    rows = record.get("candidates")
    if not isinstance(rows, list) or not rows:
        return
    st.caption(
        "Every layer's candidate on held-out prompts. The numbers after _low and _high are 95% intervals over prompts: "
        "flips over the refused harmful prompts “tried”, scores and KL over “harmful” and “harmless”. A direction made "
        "by an earlier version has intervals for its flips only."
    )
    frame = candidates(rows).set_index("layer")
    st.dataframe(
        with_true_minus(frame, {name: ".4g" for name in frame.select_dtypes("float")}),
        height=210,
        key="candidates",
        column_config={"_index": st.column_config.NumberColumn("layer")},
        alt="Scores of each layer's candidate direction",
    )


def candidates(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A direction's candidates, each number with its interval beside it; Wilson's where none was kept for the flips."""
    frame = pd.DataFrame(rows)
    if "tried" in frame and "flip_low" not in frame:
        found = [rate(round(f * n), n) for f, n in zip(frame["flip_rate"], frame["tried"], strict=True)]
        frame = frame.assign(flip_low=[one.low for one in found], flip_high=[one.high for one in found])
    order: list[str] = []
    for name in frame.columns:
        if not name.endswith(("_low", "_high")):
            stem = name.removesuffix("_rate")
            order += [name, *(end for end in (f"{stem}_low", f"{stem}_high") if end in frame)]
    return frame[order]


def _recompute(engine: Engine) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        rules: list[str] = [rule for rule in _RULES if rule != "published"]
        if engine.spec.steering_layer is not None:
            rules.insert(0, "published")  # the usual one where there is one, and by far the quickest
        st.selectbox(
            "Choose the layer by", rules, format_func=_RULES.__getitem__, key=RULE, width=430, persist_state="session"
        )
        wanted = st.button(
            "Compute the direction" + (" again" if engine.has_direction else ""),
            key="recompute",
            icon=":material/restart_alt:",
            help="This uses the bundled train and validation prompts and takes a few minutes on a CPU. Any click on "
            "the page stops it.",
        )
    if wanted:
        try:
            with progress_bar("Starting") as progress:
                found = engine.compute_direction(rule=st.session_state[RULE], progress=progress)
        except HydrascopeError as error:
            show_error(error)
            return
        notice.say(f"The new direction is read at layer {found.layer}.")
        st.rerun()
