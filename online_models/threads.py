"""One thread for linear algebra."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def compute_on_one_thread() -> None:
    """Let BLAS compute on the calling thread from now on, in all of this process.

    Our products are too small to gain from more: beside other work on two cores, replay of ml-100k
    took six times as long on two threads. And on one thread sums come in one order, so that a
    replica agrees with the learner to the bit.
    """
    threadpool_limits(limits=1, user_api="blas")
