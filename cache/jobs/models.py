"""Putting another model to use, and checking a model that is to be added, as jobs.

Knows: files first, while the model in use stays; then the change. Does not know: pages, or how anything is loaded. The
files are fetched beside whatever has the device; only the load itself waits for it.
"""

from __future__ import annotations

from cache.engines import get_engine
from cache.jobs.queue import Control, Job, Queue
from core import ModelSpec
from core.models.check_added import Draft, check_draft, check_for_strangers
from core.models.files import make_ready
from core.models.registry import choose_model, chosen_name, find_spec, is_chosen
from core.text.layers import layers_text

#: There is one form, so one check is enough.
_FORM = "form"


def start(queue: Queue, spec: ModelSpec) -> Job:
    """Fetch and load a model, and let every page use it. When that fails, the model in use stays in use."""

    def work(control: Control) -> str:
        make_ready(spec, control.report, control.stop_requested)
        control.report("Waiting for the device", 0.0)
        with control.device():
            before = find_spec(chosen_name()) if is_chosen() else None
            choose_model(spec)
            try:
                get_engine(spec.name, control.report, control.stop_requested)
            except BaseException:
                choose_model(before)
                raise
        return spec.name

    return queue.submit("model", key_of(spec), f"{spec.name}, layers {layers_text(spec.layers)}", work, False)


def key_of(spec: ModelSpec) -> str:
    """Which model, with SAEs in which layers."""
    return f"{spec.name} {layers_text(spec.layers)}"


def start_check(queue: Queue, draft: Draft, session: str, strangers: bool = False) -> Job:
    """Check a model that somebody described. session: whose form it is. strangers: whether people elsewhere can reach
    the form. The job's result is a `Checked`."""
    check = check_for_strangers if strangers else check_draft
    return queue.submit(
        "check", session, draft.name, lambda control: check(draft, control.report, control.stop_requested), False
    )
