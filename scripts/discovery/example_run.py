"""The example run that is shipped with a model: the first look of the Discover page, on the model's held-out prompts.

    python scripts/discovery/example_run.py --model demo

Writes `assets/MODEL/example_run.json`. The run is carried out in the ordinary store, so the same command goes on where
it was stopped. Knows: which run it is. Does not know: how a run is carried out.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from cache.store.database import shared_store  # noqa: E402
from cache.store.run_file import write_run  # noqa: E402
from cache.store.runs import Runs  # noqa: E402
from core import load  # noqa: E402
from core.discovery.context import Inputs  # noqa: E402
from core.discovery.runner import run_steps  # noqa: E402
from core.prompts.references import references_for, shipped_references  # noqa: E402
from core.prompts.shipped import held_out, read_shipped  # noqa: E402
from pages.discover.sizes import FIRST_LOOK, SIZES  # noqa: E402

NAME = "Example: a first look"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo", help="a model with shipped prompts and a direction")
    options = parser.parse_args()
    engine, runs, size = load(options.model), Runs(shared_store()), SIZES[FIRST_LOOK]
    shipped = read_shipped(engine.spec.prompts)
    harmful, benign = (tuple(held_out(shipped, kind)[: size.prompts]) for kind in ("harmful", "benign"))
    known = [one.run for one in runs.all() if one.name == NAME and one.model == engine.spec.name]
    references = references_for(harmful, shipped_references(engine.spec.references))
    run = known[0] if known else runs.create(engine, Inputs(harmful, benign, (), references), size.settings, NAME)
    runs.set_state(run, "running")
    run_steps(runs.work(run, engine), progress=lambda at: print(at.title, at.done, "of", at.of, flush=True))
    runs.set_state(run, "finished")
    path = ROOT / "assets" / engine.spec.name / "example_run.json"
    write_run(runs.store, run, path)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
