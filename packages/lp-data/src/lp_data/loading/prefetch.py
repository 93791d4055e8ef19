"""Do the next piece of work in a thread while the last one is used, at most so many ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class _Failure:
    """An error that the thread met, to be raised where its items are used."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    """The iterable has ended."""


def prefetch(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """The items in their order, made by a thread at most ``ahead`` items before they are used.

    If the user of the items stops early, the thread stops after the item that it is making.
    """
    ready: queue.Queue[T | _Failure | _End] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(item: T | _Failure | _End) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(_End())
        except BaseException as error:  # raised again where the items are used
            put(_Failure(error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        thread.join()
