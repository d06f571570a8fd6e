"""Every message is one line of a length that can be read, whatever a library or a file put into it."""

import pickle
import time

import pytest

from core.errors import LONGEST, AssetError, Cancelled, HydrascopeError


@pytest.mark.parametrize("broken", ["\n", "\r\n", "\u2028", "\x85", " \n \n "])
def test_a_message_is_one_line(broken):
    error = AssetError(f"The file cannot be read (Invalid:{broken}no page{broken}). Restore it.")
    assert str(error) in (
        "The file cannot be read (Invalid: no page ). Restore it.",
        "The file cannot be read (Invalid: no page). Restore it.",
    )
    assert len(str(error).splitlines()) == 1


def test_of_a_message_that_is_too_long_the_beginning_and_the_end_stay():
    said = str(HydrascopeError(f"The file says {'[' * 10_000}. Restore it."))
    assert said.startswith("The file says [[[") and said.endswith("[[[. Restore it.") and len(said) <= LONGEST + 3


def test_what_is_long_is_made_one_line_soon():
    begin = time.process_time()
    assert str(HydrascopeError(f"It says{' ' * 200_000}x. Restore it.")).startswith("It says  ")
    assert time.process_time() - begin < 5


def test_an_error_goes_from_process_to_process():
    assert str(pickle.loads(pickle.dumps(Cancelled("Stopped.")))) == "Stopped." and str(Cancelled()) == ""
