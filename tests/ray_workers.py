"""What worker processes of the Ray tests do first: know the tiny model and its judge, and fail when told to.

A test writes a file “KIND.STEP.NUMBER” into the folder of faults; STEP may be “judge” or “record”. The first worker
that is given a group of that step, on the node that the file names if it names one, claims it by renaming it, and then

- kill: does the first half of the group and is killed with SIGKILL, as the kernel does when memory runs out;
- memory: raises the error that Ray raises for a worker that its memory monitor ended;
- wait: is at the group until it ends.

What each worker was given is a line in the file “log”. Knows: Ray's hook for new processes, environment variables. Does
not know: what is tested.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

SPEC, FAULTS, HOOK = "HYDRASCOPE_TEST_SPEC", "HYDRASCOPE_TEST_FAULTS", "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"


def environment(spec, faults: Path) -> dict[str, str]:
    """What the environment of a cluster needs so that its workers call `prepare`. spec: the tiny model's."""
    import json

    facts = {
        "name": spec.name,
        "model": str(spec.model_id),
        "layers": list(spec.layers),
        "refusal": list(spec.refusal_tokens),
        "saes": {str(layer): str(folder) for layer, folder in spec.saes.items()},
    }
    root = str(Path(__file__).resolve().parents[1])
    return {SPEC: json.dumps(facts), FAULTS: str(faults), HOOK: "tests.ray_workers.prepare", "PYTHONPATH": root}


def prepare() -> None:
    """Called by Ray in every new worker process."""
    import json

    from core import ModelSpec
    from core.models import registry
    from core.scale import judging, search
    from core.training import recorders
    from tests.loopback_hub.guard import only_loopback
    from tests.small_search import use_small_judge

    only_loopback()
    facts = json.loads(os.environ[SPEC])
    saes = {int(layer): Path(folder) for layer, folder in facts["saes"].items()}
    registry.register(ModelSpec(facts["name"], facts["model"], tuple(facts["layers"]), tuple(facts["refusal"]), saes))
    use_small_judge()
    carry_out, judged, recorded = search.carry_out, judging.JudgingHand.do, recorders.RecordingHand.do
    search.carry_out = lambda work, step, items: with_faults(step.name, items, lambda some: carry_out(work, step, some))
    judging.JudgingHand.do = lambda hand, prompts, answers: with_faults(
        "judge", prompts, lambda some: judged(hand, some, answers[: len(some)])
    )
    recorders.RecordingHand.do = lambda hand, prefix, layers, rows: with_faults(
        "record", rows, lambda some: recorded(hand, prefix, layers, some)
    )


def with_faults(step, items, do):
    """do(items) with the faults that are asked for."""
    folder = Path(os.environ[FAULTS])
    with (folder / "log").open("a") as log:
        log.write(f"{os.getpid()} {step} {items[0]}\n")
    if claimed(folder, "kill", step):
        do(items[: len(items) // 2 or 1])
        os.kill(os.getpid(), signal.SIGKILL)
    if claimed(folder, "memory", step):
        from ray.exceptions import OutOfMemoryError

        raise OutOfMemoryError("Task was killed due to the node running low on memory. (of a test)")
    if claimed(folder, "wait", step):
        time.sleep(600)
    return do(items)


def claimed(folder: Path, kind: str, step: str) -> bool:
    """Whether this worker is the one that a fault is meant for."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    for path in sorted(folder.glob(f"{kind}.{step}.*")):
        try:
            if path.suffix != ".done" and path.read_text() in ("", node):
                path.rename(path.with_suffix(".done"))
                return True
        except OSError:
            continue  # another worker was first
    return False
