"""What a page says of a job: what it does, whom it waits for, and that it is stopping."""

import threading

from cache.jobs.queue import Job, shared_queue
from pages.shared.jobs import status, waits_for
from tests.waiting import until


def test_what_a_job_does_now_is_one_line_in_which_its_own_words_are_text():
    job = Job("search-1", "search", "a", "A run", "running", "Stage 1: *16* of 100", 0.2, 120.0)
    assert status(job).replace("\\", "") == "Stage 1: *16* of 100 · about 2 min left in this stage"
    assert "\\*16\\*" in status(job)
    assert status(Job("check-1", "check", "a", "A model", "running")) == "Starting"
    stopping = Job("check-1", "check", "a", "A model", "stopping", "Downloading")
    assert status(stopping) == "Stopping after this step. Downloading"


def test_a_waiting_job_names_the_one_that_has_the_device_and_how_to_go_first():
    gate = threading.Event()
    holder = shared_queue().submit("search", "a run", "my *run*", lambda control: gate.wait(60))
    until(lambda: shared_queue().has_device())
    waiting = shared_queue().submit("judging", "answers", "answers.csv", lambda control: None)
    text = status(shared_queue().job(waiting.id)).replace("\\", "")
    gate.set()
    assert text == "Waiting until the search “my *run*” ends. Pause or stop it on the Discover page to go first."
    shared_queue().wait(waiting.id, 60)
    assert shared_queue().job(holder.id).state == "finished"
    assert waits_for(shared_queue().job(waiting.id)) == "Waiting for the device"
