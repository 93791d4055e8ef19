"""Do the next piece of work in a thread while the last one is used, at most so many ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class _End:
    """The iterable has ended."""


def prefetch(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """The items in their order, made by a thread at most ``ahead`` items before they are used.

    If the user of the items stops early, the thread stops after the item that it is making.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        ready = deque(pool.submit(next, iterator, _End()) for _ in range(ahead))
        while not isinstance(item := ready.popleft().result(), _End):
            ready.append(pool.submit(next, iterator, _End()))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
