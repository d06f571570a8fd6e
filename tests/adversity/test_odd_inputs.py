"""Thousands of odd inputs to everything that reads from outside: each is read, or refused in one sentence, soon.

The inputs follow from the names of the readers, so a failure comes back. `odd_inputs.py` makes them, `readers.py` has
the readers.
"""

import resource
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from core.errors import HydrascopeError
from tests.adversity.readers import readers
from tests.adversity.report import note

#: Seconds of work, bytes of memory, and letters of a sentence that one input may take.
SECONDS, MEMORY, LETTERS = 5.0, 400 * 2**20, 700
SHORT, LONG = 6, 90


@pytest.fixture
def every(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    return readers(tiny, tmp_path)


def fault(call, value) -> str:
    """What is wrong with the way in which this input was met; empty where nothing is."""
    begin, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = ""
    try:
        call(value)
    except HydrascopeError as error:
        said = str(error)
        if "\n" in said or not 10 < len(said) < LETTERS or said.rstrip("”)")[-1] not in ".?!":
            return f"no sentence: {said[:300]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    if (seconds := time.process_time() - begin) > SECONDS:
        return f"it took {seconds:.0f} s"
    if (grown := 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory)) > MEMORY:
        return f"it took {grown / 2**20:.0f} MiB"
    return "refused" if said else ""


def met(reader, many) -> tuple[Counter, list[tuple[str, str]]]:
    """(how many were read and refused, the faults with their inputs)."""
    counts, faults = Counter(), []

    @settings(
        max_examples=many, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(reader.given)
    def run(value):
        found = fault(reader.call, value)
        counts[found if found in ("", "refused") else "fault"] += 1
        if found not in ("", "refused"):
            faults.append((found, repr(value)[:400]))

    run()
    return counts, faults


def listed(faults) -> str:
    return "\n".join(f"{name}: {what}\n    {value}" for name, found in faults.items() for what, value in found)


def test_a_few_hundred_odd_inputs(every):
    faults = {name: found for name, reader in every.items() if (found := met(reader, SHORT)[1])}
    assert not faults, listed(faults)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_thousands_of_odd_inputs(every):
    begin, counts, faults = time.monotonic(), Counter(), {}
    for name, reader in every.items():
        found, wrong = met(reader, LONG)
        counts += found
        if wrong:
            faults[name] = wrong
    note(
        f"Odd inputs, generated, to {len(every)} readers",
        f"{counts.total():,} inputs",
        counts["fault"],
        time.monotonic() - begin,
        read=counts[""],
        refused=counts["refused"],
    )
    assert not faults, listed(faults)
