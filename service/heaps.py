"""Memory that is freed goes back to the system, where the C library is glibc; elsewhere nothing is done."""

import ctypes

_OPTIONS = {-8: 2, -3: 8_000_000, -1: 16_000_000}  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


def bound_heaps() -> None:
    """Have few heaps for all threads of this process, and large arrays outside of them.

    A heap for each of many threads, and a threshold that rises with the largest array so far, keep for ever what a few
    large texts once took.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _OPTIONS.items():
            mallopt(option, value)


def give_back() -> None:
    """Give back what is free inside the heaps; takes some milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
