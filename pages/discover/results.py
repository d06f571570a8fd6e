"""What a run has found so far, as tables and charts, and each prompt's feature set to open on the Audit page.

Knows: the report's tables and how they are drawn. Does not know: how a run is carried out.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import streamlit as st

from cache.jobs.run_card import card_of_run
from cache.store.runs import AGREEMENT, JUDGE, Run, Runs
from core import Engine
from core.discovery.context import Inputs
from core.discovery.ledger import Ledger
from core.discovery.settings import Settings
from core.discovery.tables import cosines, readings
from core.discovery.tables.export import is_share, write
from core.discovery.tables.headline import headline
from core.discovery.tables.report import tables
from core.discovery.tables.search import curves, minimal_sets
from core.discovery.tables.table import Table
from core.text.csv_text import csv_text
from pages.discover import charts, state
from pages.shared import card_button
from pages.shared.engine import engine_key
from pages.shared.number_table import with_true_minus
from pages.shared.text import counted, plain

SEARCH, ANALYSES, SETS, ABOUT = "Search", "Analyses", "Feature sets", "About this run"
_SHOWN: dict[str, tuple[str, ...]] = {
    SEARCH: (
        "summary",
        "stage_1",
        "stage_2",
        "minimal_sets",
        "fixed",
        "stage_3",
        "machines",
        "machine_seeds",
        "prompts",
        "by_category",
        "lengths",
        "failures",
    ),
    ANALYSES: (
        "cosines",
        "controls",
        "random",
        "inert",
        "redundant",
        "direction",
        "least_tokens",
        "links",
        "probe",
        "cost",
    ),
}


def views() -> str:
    """Which part of the results to look at."""
    chosen = st.segmented_control(
        "Results",
        [SEARCH, ANALYSES, SETS, ABOUT],
        default=SEARCH,
        key=state.VIEW,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    return str(chosen)


def show(view: str, engine: Engine, runs: Runs, run: Run) -> None:
    """One run's part of the page. Raises InputError."""
    ledger, inputs, facts = runs.ledger(run.run), runs.inputs(run.run), runs.facts(run.run)
    if view == SETS:
        _sets(run.run, ledger, inputs)
    elif view == ABOUT:
        _about(engine, runs, run, ledger, facts)
    else:
        found = {table.name: table for table in tables(ledger)}
        with st.container():
            if said := headline(ledger):
                st.markdown(f"**What was found:** {plain(said)}")
        for name in _SHOWN[view]:
            with st.container():  # a place each, or a table that arrives would shift the others into each other's
                if name in found:
                    _table(run.run, found[name], ledger, facts)
        if not found.keys() & set(_SHOWN[view]):
            st.caption("No results yet. They appear here as the run finds them.")


def _table(run: str, table: Table, ledger: Ledger, facts: Mapping[str, str]) -> None:
    st.subheader(table.title, anchor=False)
    chart = _CHARTS.get(table.name)
    if chart is not None:
        chart(run, table, ledger)
    st.dataframe(
        with_true_minus(table.frame, _formats(table.frame)),
        hide_index=True,
        key=f"table_{run}_{table.name}",
        alt=f"{table.title}: {counted(len(table.frame), 'row')}",
    )
    paper = f"Paper: “{plain(table.section)}”. " if table.section else ""
    judged = f"Judged by {facts[JUDGE]}; {facts[AGREEMENT]}." if "rate" in table.frame else ""
    st.caption(f"{paper}{plain(table.note)} {plain(judged)}")


def _formats(frame: pd.DataFrame) -> dict[str, str]:
    """Shares as percentages, other fractions with four digits."""
    numbers = [str(column) for column in frame.columns if pd.api.types.is_float_dtype(frame[column])]
    return {column: ".1%" if is_share(column) else ".4g" for column in numbers}


def _overview(run: str, table: Table, ledger: Ledger) -> None:
    st.altair_chart(charts.overview(table.frame), key=f"chart_{run}_summary", alt=charts.overview_summary(table.frame))


def _sweep(column: str, series: str | None = None) -> Callable[[str, Table, Ledger], None]:
    def draw(run: str, table: Table, ledger: Ledger) -> None:
        if table.frame[column].nunique() > 1:
            st.altair_chart(
                charts.sweep(table.frame, column, series),
                key=f"chart_{run}_{table.name}",
                alt=f"{table.title}: share flipped by {column}",
            )

    return draw


def _cosines(run: str, table: Table, ledger: Ledger) -> None:
    drawn = cosines.lines(table.frame)
    st.altair_chart(charts.cosines(drawn), key=f"chart_{run}_cosines", alt=charts.cosines_summary(drawn))


def _sizes(run: str, table: Table, ledger: Ledger) -> None:
    chosen = minimal_sets(ledger)
    if len(chosen) > 1:
        st.altair_chart(charts.sizes(chosen[["size"]]), key=f"chart_{run}_sizes", alt="Sizes of the minimal sets")


def _curves(run: str, table: Table, ledger: Ledger) -> None:
    st.altair_chart(
        charts.curves(curves(ledger)), key=f"chart_{run}_curves", alt="Training and validation loss by epoch"
    )


_CHARTS: dict[str, Callable[[str, Table, Ledger], None]] = {
    "summary": _overview,
    "cosines": _cosines,
    "stage_1": _sweep("K per layer"),
    "stage_2": _sweep("τ"),
    "minimal_sets": _sizes,
    "stage_3": _sweep("K"),
    "machines": _curves,
    "least_tokens": _sweep("tokens at least"),
    "probe": _sweep("K", "ranked by"),
}


def _sets(run: str, ledger: Ledger, inputs: Inputs) -> None:
    """Each prompt's smallest verified set; one of them can be opened on the Audit page."""
    chosen = minimal_sets(ledger)
    if chosen.empty:
        st.caption("There are no minimal sets yet. Stage 2 finds them.")
        return
    frame = chosen.assign(prompt=[inputs.harmful[int(item.partition("/")[2])] for item in chosen["item"]])
    frame = frame.sort_values(["size", "item"], ignore_index=True)
    st.caption(
        "Each row is the smallest set found that flips the prompt. Choose a row to open its prompt on the Audit "
        "page with these features ablated."
    )
    picked = st.dataframe(
        frame[["prompt", "size", "of", "tau", "features"]],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"sets_{run}",
        height=min(420, 40 + 35 * len(frame)),
        alt="Minimal feature sets by prompt",
        column_config={
            "of": st.column_config.NumberColumn("candidates"),
            "tau": st.column_config.NumberColumn("τ", format="%g"),
            "features": st.column_config.ListColumn("features, layer-index"),
        },
    )
    rows = picked.selection.rows if picked else []
    prompt = str(frame["prompt"][rows[0]]) if rows else ""
    features = list(frame["features"][rows[0]]) if rows else []
    if st.button(
        "Open on the Audit page",
        key=f"open_{run}",
        icon=":material/troubleshoot:",
        disabled=not rows,
        help="Choose a row in the table first." if not rows else None,
    ):
        state.open_on_audit(prompt, features)
    st.download_button(
        "Data",
        lambda: csv_text(frame.assign(features=frame["features"].map(" ".join))),
        f"hydrascope-{run}-sets.csv",
        "text/csv",
        key=f"sets_csv_{run}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="Download this table as CSV.",
    )


def _about(engine: Engine, runs: Runs, run: Run, ledger: Ledger, facts: Mapping[str, str]) -> None:
    """Everything a number here depends on, and the whole report as files."""
    frame = pd.DataFrame({"what": list(facts), "value": list(facts.values())})
    st.dataframe(frame, hide_index=True, key=f"facts_{run.run}", alt="Where this run's numbers come from")
    _table(run.run, readings.chosen(run.settings), ledger, facts)
    st.download_button(
        "Report",
        lambda: _archive(ledger, run.settings, facts),
        f"hydrascope-{run.run}.zip",
        "application/zip",
        key=f"zip_{run.run}",
        icon=":material/folder_zip:",
        on_click="ignore",
        help="Download every table as CSV, Parquet, JSON and Markdown.",
    )
    if run.state == "finished":
        card_button.draw(
            st,
            (engine_key(engine), run.run),
            f"hydrascope-{run.run}",
            lambda progress: card_of_run(runs, run.run, engine, progress),
            "It has no answers in it, and `hydrascope discover --repeat CARD` repeats the run from it.",
            key=f"card_{run.run}",
        )
    st.caption(
        f"On the command line, `python -m core discover --resume {run.run} --out DIR` resumes this run and writes its "
        "tables."
    )


def _archive(ledger: Ledger, settings: Settings, facts: Mapping[str, str]) -> bytes:
    """The report's files in one."""
    with TemporaryDirectory() as folder:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in write(tables(ledger, settings), facts, Path(folder)).files:
                archive.write(path, path.name)
        return buffer.getvalue()
