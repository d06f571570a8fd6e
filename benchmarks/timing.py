"""Timing helpers: interleaved medians, machine facts, one JSON per run. Knows nothing of what is timed."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

OUT = Path(__file__).parent / "out"


def interleaved(tasks: dict[str, Callable[[], object]], runs: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each task, run in turn A B C A B C … so that a drifting machine drifts for all."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(warmup + runs):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def median(values: list[float]) -> float:
    return statistics.median(values)


def ratios(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Median, least and greatest of the ratios pair by pair."""
    pairs = [a / b for a, b in zip(above, below, strict=True)]
    return statistics.median(pairs), min(pairs), max(pairs)


def peak_gigabytes() -> float:
    """Peak resident memory of this process so far, 10⁹ bytes; mapped files count where they were touched."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def peak_gigabytes_of(address: str) -> float:
    """The same of the server at an address of this machine."""
    port = address.rpartition(":")[2]
    (server,) = (one for one in psutil.process_iter(["cmdline"]) if port in (one.info["cmdline"] or ()))
    status = dict(line.split(":", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e9


def machine() -> dict[str, object]:
    names = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        flags = ""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": [n for n in names if n in flags],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def write(name: str, figures: dict) -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps({"machine": machine(), **figures}, indent=1) + "\n")


def row(what: str, measured: str, target: str = "") -> None:
    print(f"  {what:58s} {measured:>22s}  {target}", flush=True)
