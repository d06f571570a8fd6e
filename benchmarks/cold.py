"""Gemma-2-2B's geometry from a cold disk to an audited prompt: how long, beside what the disk itself can do, and memory.

Knows: the geometry's files, this system's page cache. The files are put out of the cache before each cold figure, which
needs no rights; what another process has mapped stays in it.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks import geometry
from benchmarks.timing import OUT, median, peak_gigabytes, peak_gigabytes_of, row, write
from core import Edits, Feature, load
from core.edits.direction import make_direction, save_direction
from core.saes.formats.open import open_sae
from core.saes.packed import read_records, records_path

BLOCK, RUNS = 8 << 20, 3


def forget(paths: Iterable[Path]) -> None:
    """Put files out of the page cache."""
    os.sync()
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_speed(paths: list[Path], streams: int = 4) -> float:
    """Bytes a second of reading files from end to end, cold, several parts of each at a time."""
    forget(paths)
    started = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        read = sum(pool.map(_read, paths * streams, [n for n in range(streams) for _ in paths], repeat(streams)))
    return read / (time.perf_counter() - started)


def _read(path: Path, number: int, of: int) -> int:
    """One of `of` equal parts of a file, in order; how many bytes that were."""
    size = path.stat().st_size
    start, stop = size * number // of, size * (number + 1) // of
    buffer, done = memoryview(bytearray(BLOCK)), start
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while done < stop:
            done += file.readinto(buffer[: stop - done])
    return stop - start


def _timed(task: Callable[[], Any]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def _weights(folder: Path) -> list[Path]:
    return sorted((folder / "model").glob("model*.safetensors"))


def ours(folder: str, queue) -> None:
    """In a process of its own: load, then what the Audit page asks of a prompt."""
    spec = geometry.spec_in(Path(folder))
    files = _weights(Path(folder))
    engine = load(spec, device="cpu", dtype="bfloat16")  # packs what is not packed, and imports what is imported late
    del engine
    found: dict[str, Any] = {"disk": [], "load": [], "ready": [], "again": []}
    for _ in range(RUNS):  # in turn, because disks drift
        found["disk"].append(disk_speed(files))
        forget(files)
        started = time.perf_counter()
        engine = load(spec, device="cpu", dtype="bfloat16")
        found["load"].append(time.perf_counter() - started)
        # Weights are mapped, and read when they are first used: only with a forward is all of the model here.
        engine.measure([geometry.PROMPT])
        found["ready"].append(time.perf_counter() - started)
        found["again"].append(_timed(lambda engine=engine: engine.measure([geometry.PROMPT])))
        del engine
        gc.collect()
    engine = load(spec, device="cpu", dtype="bfloat16")
    records = [dictionary.path for dictionary in engine.runtime.dictionaries.values()]
    dictionary = next(iter(engine.runtime.dictionaries.values()))
    draw = np.random.default_rng(0)
    for count in (1, 200):
        forget(records)
        some = tuple(int(i) for i in draw.choice(dictionary.d_sae, count, replace=False))
        found[f"columns {count}"] = _timed(lambda some=some: engine.runtime.columns(dictionary, some))
    forget(records)
    found["features cold"] = _timed(lambda: engine.features(geometry.PROMPT))
    found["features"] = _timed(lambda: engine.features(geometry.PROMPT))
    edits = Edits.ablate([Feature(n, int(i)) for n in geometry.LAYERS for i in draw.choice(geometry.WIDTH, 10)])
    found["measure"] = _timed(lambda: engine.measure([geometry.PROMPT], [Edits(), edits]))
    found["answer"] = _timed(lambda: list(engine.generate(geometry.PROMPT, edits, 16)))
    queue.put(found | {"peak_gigabytes": peak_gigabytes()})


def packing(folder: Path) -> dict[str, float]:
    """One layer in Gemma Scope's own layout, params.npz in float32, packed into records from a cold disk."""
    place = folder / "layer_2_npz"
    place.mkdir(exist_ok=True)
    source = place / "params.npz"
    parts = load_file(folder / "layer_2" / "sae_weights.safetensors")
    np.savez(source, **{name: part.float().numpy() for name, part in parts.items()})
    del parts
    identity = {"name": str(source), "made": time.time_ns()}
    speed = disk_speed([source])
    forget([source])
    seconds = _timed(lambda: read_records(identity, 2, "a layer", lambda: open_sae("gemma_2", place)))
    written, size = records_path(identity), source.stat().st_size
    for path in (written, written.with_suffix(".json"), written.with_suffix(".lock")):
        path.unlink(missing_ok=True)
    shutil.rmtree(place)
    return {"seconds": seconds, "bytes": size, "share": size / seconds / speed, "disk": speed}


def page(folder: Path, picture: Path) -> dict[str, float] | str:
    """The model added by its name, opened in the app from a cold disk, audited in a real browser; or why not.

    seconds: first, from opening the page to the score; answers, to both answers written whole; edited, from switching
    the direction off to the edited answer whole. gigabytes: the server's peak.
    """
    from tests.browser.server import CHROMIUM, REAL_CACHE, missing, running_server

    if reason := missing():
        return reason
    from playwright.sync_api import sync_playwright

    from tests.browser.audit_page import AuditPage

    name = "gemma-geometry"
    with tempfile.TemporaryDirectory() as place:
        cache = Path(place) / "cache"
        save_direction(make_direction(_random_direction(), 16), cache / "directions" / f"{name}.safetensors")
        for shared in ("base", "records"):
            (cache / shared).symlink_to(REAL_CACHE / shared)
        command = [
            sys.executable,
            "-m",
            "core",
            "models",
            "add",
            name,
            "--model",
            str(folder / "model"),
            "--saes",
            str(folder),
        ]
        subprocess.run(command, env=os.environ | {"HYDRASCOPE_CACHE": str(cache)}, check=True)
        forget([*_weights(folder), *(REAL_CACHE / "records").glob("*.records")])
        with running_server(Path(place), (), HYDRASCOPE_MODEL=name) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            tab = AuditPage(browser.new_page(viewport={"width": 1280, "height": 900}), address)
            started = time.perf_counter()
            tab.page.goto(f"{address}/?prompt=Write+about+a+quiet+house+by+the+sea.")
            tab.page.locator(".st-key-card_before [data-testid=stMetricValue]").first.wait_for()
            found = {"first": time.perf_counter() - started}
            tab.settled()
            found["answers"] = time.perf_counter() - started
            started = time.perf_counter()
            tab.click("set_direction")
            tab.settled()
            found["edited"] = time.perf_counter() - started
            tab.page.screenshot(path=picture, full_page=True)
            tab.nothing_complains()
            found["gigabytes"] = peak_gigabytes_of(address)
            browser.close()
    return found


def _random_direction() -> torch.Tensor:
    """A random model refuses nothing, so there is none to compute."""
    return torch.randn(geometry.D_MODEL, generator=torch.Generator().manual_seed(0))


def main() -> dict:
    folder = geometry.files_folder()
    geometry.make_files(folder)
    packed = packing(folder)
    found = geometry.apart(ours, str(folder))
    disk, size = median(found["disk"]), sum(path.stat().st_size for path in _weights(folder))
    # The forward is not reading: what it takes once everything is here is left out.
    shares = [
        size / (ready - again) / speed
        for ready, again, speed in zip(found["ready"], found["again"], found["disk"], strict=True)
    ]
    print(
        f"Gemma-2-2B geometry from a cold disk of {disk / 1e9:.2f} GB/s, bfloat16, 15 SAEs of 65,536 in float16 records"
    )
    row("load, its weights mapped", f"{median(found['load']):.1f} s")
    row(f"load and first prompt measured, {size / 1e9:.1f} GB read", f"{median(found['ready']):.1f} s")
    row(
        "without the forward: its share of the disk's read speed",
        f"{median(shares):.0%} ({min(shares):.0%}–{max(shares):.0%})",
    )
    row(
        "one feature's record / 200 of a layer, cold",
        f"{found['columns 1'] * 1e3:.1f} / {found['columns 200'] * 1e3:.0f} ms",
    )
    row("all features of a prompt of 20 tokens, 15 layers, cold", f"{found['features cold']:.1f} s")
    row("the same again", f"{found['features']:.1f} s")
    row("a prompt measured, unedited and edited", f"{found['measure']:.1f} s")
    row("an edited answer of 16 tokens", f"{found['answer']:.1f} s")
    row("peak memory of all that", f"{found['peak_gigabytes']:.1f} GB", "asked: ≤ 9 GB")
    row(
        f"one SAE as published ({packed['bytes'] / 1e9:.1f} GB) packed, cold",
        f"{packed['seconds']:.1f} s, {packed['share']:.0%} of the disk",
    )
    seen = page(folder, OUT / "gemma-geometry.png")
    if isinstance(seen, str):
        print(f"  In the app: not measured, {seen}.")
    else:
        row(
            "in the app, cold: opened to first score / to both answers",
            f"{seen['first']:.0f} / {seen['answers']:.0f} s",
        )
        row("direction ablated, to the edited answer whole", f"{seen['edited']:.0f} s")
        row("peak memory of the app", f"{seen['gigabytes']:.1f} GB", "asked: ≤ 9 GB")
    figures = {
        "ours": found,
        "page": seen,
        "disk": disk,
        "shares": shares,
        "packing": packed,
        "torch_threads": torch.get_num_threads(),
    }
    write("cold", figures)
    return figures


if __name__ == "__main__":
    main()
