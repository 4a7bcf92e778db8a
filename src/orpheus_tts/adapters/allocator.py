"""Keeps the C library from holding on to memory that requests have used and freed."""

import ctypes

# malloc.h of glibc: what is set, and to what.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# What glibc begins with and then raises as it likes; once set, it stays.
_MAP_BYTES = 128 * 1024
# Freed memory at the heap's end that is kept: some, so that it is not asked for again at once.
_TRIM_BYTES = 1024 * 1024
_ARENAS = 2


def return_freed_memory() -> None:
    """In this process and those forked from it, let freed memory go back to the system. Call it before any thread.

    Left alone, glibc gives each thread an arena that keeps what it freed, and puts blocks of up to 32 MiB on the heap,
    which cannot shrink below the last thing on it. In three minutes of the load of `benchmarks/soak.py` that took an
    HTTP process to 154 MiB of which it used 21, and a worker of the embedded voice to 292 of which it used 42; so it is
    62 and 151. Not for workers whose codec runs on the processor: mapping and clearing its large arrays anew each time
    makes a decode half as fast. Does nothing where the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _MAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
