"""Signals end a block in order, even where Python drops the exception that they raise."""

import os
import signal

import pytest

from rillrec.signals import Ending, Terminated, orderly_end


class Dropping:
    """Is asked to end while it is being collected, where exceptions are dropped."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending

    def __del__(self) -> None:
        with pytest.raises(Terminated):
            self.ending.take(signal.SIGTERM, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_leaves_the_block_and_is_swallowed(number: signal.Signals) -> None:
    cleaned = False
    with orderly_end():
        try:
            os.kill(os.getpid(), number)
            raise AssertionError("it went on")
        finally:
            cleaned = True
    assert cleaned


def test_ctrl_c_stays_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), orderly_end():
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_whose_exception_was_dropped_is_raised_at_the_next_check() -> None:
    went_on = False
    with orderly_end() as ending:
        ending.check()
        Dropping(ending)
        went_on = True
        ending.check()
        raise AssertionError("it was forgotten")
    assert went_on


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with orderly_end():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_patient_block_is_left_between_its_steps() -> None:
    steps: list[str] = []

    def work(ending: Ending) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("the step that was begun")
        ending.check()
        steps.append("another")

    with pytest.raises(KeyboardInterrupt), orderly_end(patient=True) as ending:
        work(ending)
    assert steps == ["the step that was begun"]


def test_a_patient_block_is_left_at_once_by_a_second_signal() -> None:
    with orderly_end(patient=True):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")
