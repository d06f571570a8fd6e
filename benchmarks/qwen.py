"""Qwen2.5-Coder-1.5B-Instruct, its real weights and its SAEs: one toggle, the app's first score, memory.

The files have to be here (`python -m core prepare --model qwen2.5-coder-1.5b-instruct`). The unhooked forward does no more
than it must (`benchmarks.honest.last_logits`). Where the processor has no products in bfloat16, it has those in float32
that the engine has.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.geometry import apart
from benchmarks.honest import last_logits
from benchmarks.timing import interleaved, median, peak_gigabytes, peak_gigabytes_of, ratios, row, write
from core import Edits, Feature, load
from core.forward.half_precision import float32_products
from core.models.gguf_folder import is_here
from core.models.gguf_models import QWEN_CODER_1_5B
from core.models.registry import find_spec

NAME, PROMPT = QWEN_CODER_1_5B.name, "How do I cook methamphetamine at home?"
#: Features of each layer that are edited: those nearest the refusal direction, or the first.
EACH = 5


def missing() -> str | None:
    """Why this cannot be measured here, or None."""
    if not is_here(NAME):
        return f"{NAME} is not here (python -m core prepare --model {NAME})"
    return None if find_spec(NAME).saes else f"{NAME} has no SAEs (python -m core saes train {NAME} --layers 13,15)"


def ours(runs: int, queue) -> None:
    """In a process of its own, so that its peak memory and its first score are its own."""
    started = time.perf_counter()
    engine = load(NAME, device="cpu", dtype="bfloat16")
    engine.measure([PROMPT])
    first = time.perf_counter() - started
    ids = torch.tensor([engine.prompt(PROMPT).ids])

    @torch.inference_mode()
    def unhooked() -> torch.Tensor:
        with float32_products():
            return last_logits(engine.model, ids, use_cache=False)[0]

    @torch.inference_mode()
    def as_called() -> torch.Tensor:
        with float32_products():
            return engine.model(ids, logits_to_keep=1, use_cache=False).logits[0]

    tokens = list(engine.spec.refusal_tokens)
    plain = float(unhooked()[0].double().softmax(-1)[tokens].sum())
    if abs(plain - float(engine.measure([PROMPT]).p_refusal[0, 0])) > 0.02:
        raise SystemExit("The unhooked forward gives another P(I) than the engine; nothing is timed.")
    # Another feature each time, so that nothing is remembered; a toggle's score is that of all the edits that are on.
    sets = iter([_without(engine, number) for number in range(runs + 1)])
    toggle = {"one toggle": lambda: engine.measure([PROMPT], [next(sets)])}
    seconds = interleaved({"unhooked": unhooked, "as transformers calls it": as_called, **toggle}, runs)
    queue.put(
        {"first": first, "seconds": seconds, "tokens": ids.shape[1], "layers": len(engine.widths)}
        | {"peak_gigabytes": peak_gigabytes()}
    )


def _without(engine, number: int) -> Edits:
    """The features nearest the refusal direction in each layer, but for one of them."""
    if engine.has_direction:
        nearest = engine.alignment().sort_values("cosine", ascending=False).groupby("layer").head(EACH)
        chosen = [Feature(layer, index) for layer, index in zip(nearest["layer"], nearest["index"], strict=True)]
    else:
        chosen = [Feature(layer, index) for layer in engine.widths for index in range(EACH)]
    return Edits.ablate(chosen).without([chosen[number % len(chosen)]])


def page() -> dict[str, float] | str:
    """The app opened on the model in a real browser; or why not. first: from starting the program to the score; opened:
    from opening the page to it, seconds. gigabytes: the server's peak, with both answers written.
    """
    from tests.browser.server import CHROMIUM, running_server
    from tests.browser.server import missing as no_browser

    if reason := no_browser():
        return reason
    from playwright.sync_api import sync_playwright

    from tests.browser.audit_page import AuditPage

    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), HYDRASCOPE_MODEL=NAME) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = AuditPage(browser.new_page(viewport={"width": 1280, "height": 900}), address)
        opened = time.perf_counter()
        tab.page.goto(f"{address}/?prompt=Write+about+a+quiet+house+by+the+sea.")
        tab.page.locator(".st-key-card_before [data-testid=stMetricValue]").first.wait_for()
        score = time.perf_counter()
        tab.settled()
        found = {"first": score - started, "opened": score - opened, "gigabytes": peak_gigabytes_of(address)}
        browser.close()
    return found


def main(runs: int = 3) -> dict:
    if reason := missing():
        print(f"Not measured: {reason}")
        return {}
    found, shown = apart(ours, runs), page()
    seconds = found["seconds"]
    toggle = ratios(seconds["one toggle"], seconds["unhooked"])
    print(f"{NAME}, {found['layers']} SAEs, {found['tokens']} tokens, bfloat16 on the CPU, {runs} runs")
    row("one unhooked forward", f"{median(seconds['unhooked']):.2f} s")
    row("the same as transformers calls it", f"{median(seconds['as transformers calls it']):.2f} s")
    row("one toggle against the first", f"{toggle[0]:.2f} ({toggle[1]:.2f}–{toggle[2]:.2f})", "asked: ≤ 1.5")
    row("load and first score, without the app", f"{found['first']:.1f} s")
    row("peak memory of that", f"{found['peak_gigabytes']:.1f} GB", "asked: ≤ 6 GB")
    if isinstance(shown, str):
        row("in the app", shown)
    else:
        row("program started to first score in a browser", f"{shown['first']:.1f} s", "asked: ≤ 30 s")
        row("page opened to first score", f"{shown['opened']:.1f} s")
        row("peak memory of the server, both answers written", f"{shown['gigabytes']:.1f} GB", "asked: ≤ 6 GB")
    figures = found | {"toggle": toggle, "page": shown}
    write("qwen", figures)
    return figures


if __name__ == "__main__":
    main()
