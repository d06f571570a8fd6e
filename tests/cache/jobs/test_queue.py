"""The queue: one job at a time on the device, in order; paused, stopped, failed; read from any thread."""

import threading
import time

import pytest

from cache.jobs.queue import REMEMBERED, Queue, shared_queue
from core import InputError
from core.errors import Cancelled
from core.forward.device_lock import DEVICE_LOCK
from tests.waiting import until


class Steps:
    """A job of several steps, each of which waits for leave; it remembers what happened."""

    def __init__(self, of=3, leave=0, error=None, result=None):
        self.of, self.leave, self.error, self.result = of, threading.Semaphore(leave), error, result
        self.done, self.threads = 0, set()

    def __call__(self, control):
        for number in range(self.of):
            control.report(f"step {number + 1} of {self.of}", number / self.of)
            control.checkpoint()
            self.threads.add(threading.current_thread().name)
            assert self.leave.acquire(timeout=60)
            if self.error is not None:
                raise self.error
            self.done += 1
        return self.result


def free(of=3, **more):
    return Steps(of, leave=10**6, **more)


@pytest.fixture
def queue():
    found = Queue()
    yield found
    for job in found.under_way():
        found.stop(job.id)
        found.wait(job.id, 60)


def ended(queue, job, seconds=60):
    queue.wait(job.id, seconds)
    return queue.job(job.id)


def test_a_job_is_carried_out_in_a_thread_of_its_own_and_its_result_is_kept(queue):
    work = free(result="found")
    job = queue.submit("search", "a", "A title", work)
    assert job.under_way and (job.kind, job.key, job.title) == ("search", "a", "A title")
    found = ended(queue, job)
    assert (found.state, found.result, found.share, found.error) == ("finished", "found", 1.0, "")
    assert work.threads == {f"hydrascope-{job.id}"} and queue.ended == 1 and not queue.under_way()


def test_jobs_have_the_device_one_after_another_in_the_order_they_were_submitted(queue):
    order, gate = [], threading.Event()

    def named(name):
        def work(control):
            order.append(f"{name} begins")
            assert gate.wait(60)
            order.append(f"{name} ends")

        return work

    kinds = ("search", "judging", "defence", "model")
    jobs = [queue.submit(kind, kind, kind, named(kind)) for kind in kinds]
    until(lambda: order)
    assert [job.state for job in queue.under_way()] == ["running", "waiting", "waiting", "waiting"]
    assert queue.has_device().id == jobs[0].id and [job.kind for job in queue.under_way("defence")] == ["defence"]
    gate.set()
    ended(queue, jobs[-1])
    assert order == [f"{kind} {what}" for kind in kinds for what in ("begins", "ends")]
    assert queue.has_device() is None


def test_one_that_needs_no_device_runs_beside_and_may_ask_for_it_later(queue):
    first, seen = Steps(), []

    def download(control):
        control.report("fetched", 0.5)
        with control.device():
            seen.append(queue.has_device().kind)

    holder = queue.submit("search", "a", "A", first)
    until(lambda: queue.has_device() is not None)
    beside = queue.submit("download", "b", "B", free(result=1), uses_device=False)
    assert ended(queue, beside).result == 1, "it did not wait"
    loading = queue.submit("model", "c", "C", download, uses_device=False)
    until(lambda: queue.job(loading.id).message == "fetched" and queue.job(loading.id).state == "waiting")
    assert not seen
    first.leave.release(10)
    assert ended(queue, loading).state == "finished" and seen == ["model"]
    assert queue.job(holder.id).state == "finished"


def test_a_stop_ends_a_job_between_two_steps_and_a_waiting_one_at_once(queue):
    first, second = Steps(), free()
    a, b = queue.submit("search", "a", "A", first), queue.submit("search", "b", "B", second)
    until(lambda: queue.job(a.id).message == "step 1 of 3")
    queue.stop(b.id)
    assert ended(queue, b).state == "stopped" and not second.done, "nobody waits for the one at work"
    queue.stop(a.id)
    assert queue.job(a.id).state == "stopping" and queue.job(a.id).under_way
    first.leave.release()
    found = ended(queue, a)
    assert found.state == "stopped" and "kept" in found.message and first.done == 1 and not found.error
    queue.stop(a.id)  # a second time changes nothing
    assert queue.job(a.id).state == "stopped"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("The file has no answers."), "The file has no answers."),
        (OSError("the disk is full"), "OSError: the disk is full. The log has the details."),
        (Cancelled("Enough."), ""),
    ],
)
def test_a_failure_is_one_sentence_and_the_next_job_goes_ahead(queue, error, sentence):
    a, b = queue.submit("search", "a", "A", free(error=error)), queue.submit("search", "b", "B", free())
    found = ended(queue, a)
    assert (found.state, found.error) == ("failed" if sentence else "stopped", sentence)
    assert found.message == "Enough." or sentence
    assert ended(queue, b).state == "finished"


def test_what_is_under_way_is_not_begun_twice_and_can_be_begun_again_afterwards(queue):
    work = Steps()
    job = queue.submit("judging", "a", "A", work)
    assert queue.submit("judging", "a", "A", free()).id == job.id
    assert queue.submit("search", "a", "A", free()).id != job.id, "another kind is another job"
    work.leave.release(10)
    ended(queue, job)
    again = queue.submit("judging", "a", "A", free())
    assert again.id != job.id and ended(queue, again).state == "finished"
    assert queue.latest("judging", "a").id == again.id and queue.latest("judging", "nobody") is None


def test_a_paused_job_lets_the_next_one_have_the_device_and_takes_its_place_again(queue):
    first, second, third = Steps(), Steps(1), Steps(1)
    a = queue.submit("search", "a", "A", first)
    until(lambda: queue.job(a.id).message == "step 1 of 3")
    b, c = queue.submit("model", "b", "B", second), queue.submit("judging", "c", "C", third)
    assert queue.pause(a.id) and queue.job(a.id).state == "paused"
    first.leave.release()
    until(lambda: queue.job(b.id).state == "running")
    assert first.done == 1 and queue.job(a.id).under_way
    assert queue.go_on(a.id) and queue.job(a.id).state == "waiting", "B has the device now"
    second.leave.release()
    until(lambda: queue.has_device() and queue.has_device().id == a.id)
    assert queue.job(c.id).state == "waiting", "A was submitted before C"
    first.leave.release(10)
    third.leave.release()
    assert ended(queue, a).state == "finished" and ended(queue, c).state == "finished"
    assert not queue.pause(a.id) and not queue.go_on(a.id)


def test_a_job_can_be_paused_before_it_begins_and_stopped_while_it_is_paused(queue):
    first, second, third = Steps(1), free(), free()
    a, b = queue.submit("search", "a", "A", first), queue.submit("search", "b", "B", second)
    c = queue.submit("search", "c", "C", third)
    queue.pause(b.id)
    first.leave.release()
    assert ended(queue, c).state == "finished" and not second.done, "it lets others pass"
    queue.stop(b.id)
    assert ended(queue, b).state == "stopped" and not second.done
    assert ended(queue, a).state == "finished"
    work = Steps()
    d = queue.submit("search", "d", "D", work)
    until(lambda: queue.job(d.id).message)
    queue.pause(d.id)
    work.leave.release()
    until(lambda: queue.has_device() is None)
    queue.stop(d.id)
    assert ended(queue, d).state == "stopped" and work.done == 1


def test_two_sessions_read_and_stop_the_same_job():
    """A page of each session runs in a thread of its own; the process has one queue."""
    work, seen = Steps(), {}
    job = shared_queue().submit("judging", "of both", "A title", work)
    until(lambda: shared_queue().job(job.id).message)

    def session(name, act):
        def page():
            found = shared_queue().latest("judging", "of both")
            seen[name] = (found.id, found.state, found.message)
            act(found)

        thread = threading.Thread(target=page)
        thread.start()
        thread.join()

    session("one", lambda found: None)
    session("other", lambda found: shared_queue().stop(found.id))
    assert seen["one"] == seen["other"] == (job.id, "running", "step 1 of 3")
    work.leave.release()
    shared_queue().wait(job.id, 60)
    assert shared_queue().job(job.id).state == "stopped"


def test_people_have_the_device_before_a_job_does(queue):
    """A job's thread is background work: while somebody's answer is being written, its forward pass waits."""
    order = []

    def work(control):
        with DEVICE_LOCK:
            order.append("job")

    with DEVICE_LOCK:
        job = queue.submit("search", "a", "A", work)
        time.sleep(0.1)
        order.append("person")
    ended(queue, job)
    assert order == ["person", "job"]


def test_a_share_is_never_more_than_all_of_it(queue):
    seen, gate = [], threading.Event()

    def work(control):
        assert gate.wait(60)  # until `job` is known
        for share in (-1.0, 0.25, 7.0):
            control.report("working", share, 3.0)
            seen.append((queue.job(job.id).share, queue.job(job.id).seconds_left))

    job = queue.submit("check", "a", "A", work, uses_device=False)
    gate.set()
    found = ended(queue, job)
    assert seen == [(0.0, 3.0), (0.25, 3.0), (1.0, 3.0)] and found.seconds_left is None


def test_jobs_that_have_ended_are_forgotten_one_day_and_those_under_way_never(queue):
    first = Steps(1)
    jobs = [queue.submit("search", "first", "", first)]
    jobs += [queue.submit("check", str(n), "", free(), uses_device=False) for n in range(REMEMBERED + 5)]
    for job in jobs[1:]:
        queue.wait(job.id, 60)
    last = queue.submit("check", "last", "", free(), uses_device=False)
    ended(queue, last)
    assert queue.job(jobs[1].id) is None and queue.latest("check", "0") is None
    assert queue.job(jobs[-1].id) is not None and queue.job(jobs[0].id).under_way
    first.leave.release()
    assert ended(queue, jobs[0]).state == "finished"
