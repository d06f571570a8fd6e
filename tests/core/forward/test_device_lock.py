"""People first: a background thread lets everybody else pass, and still gets its turn."""

import threading
import time

from core.forward.device_lock import COURTESY, DeviceLock, in_background


def background(lock, done, log):
    with in_background():
        while not done.is_set():
            with lock:
                log.append("background")
                time.sleep(0.002)


def test_the_lock_is_re_entrant_and_free_afterwards():
    lock = DeviceLock()
    with lock, lock:
        assert lock.acquire(timeout=0)
        lock.release()
    thread = threading.Thread(target=lambda: held.append(lock.acquire(timeout=1)) or lock.release())
    held: list[bool] = []
    thread.start()
    thread.join()
    assert held == [True]


def test_background_work_stops_while_somebody_uses_the_device():
    lock, done, log = DeviceLock(), threading.Event(), []
    worker = threading.Thread(target=background, args=(lock, done, log))
    worker.start()
    while not log:
        time.sleep(0.001)
    with lock:
        pass
    for _ in range(5):  # the steps of an answer: short uses with shorter pauses between them
        before = len(log)
        time.sleep(COURTESY / 4)
        assert len(log) == before
        with lock:
            pass
    before, deadline = len(log), time.monotonic() + 10
    while len(log) == before and time.monotonic() < deadline:  # and it goes on when nobody wants it any more
        time.sleep(0.005)
    done.set()
    worker.join()
    assert len(log) > before


def test_a_background_thread_can_give_up():
    lock, held = DeviceLock(), threading.Event()
    finish = threading.Event()

    def hold():
        with lock:
            held.set()
            finish.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with in_background():
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=0.02)
    finish.set()
    thread.join()
    with in_background():
        assert lock.acquire(timeout=5)
        lock.release()
