import ctypes
import subprocess
import sys

import pytest

# How much more is mapped of its own for a block of 2 MiB, after another of that size was freed.
MAPPED = """
import ctypes, sys
from orpheus_tts.adapters.allocator import return_freed_memory

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ord sm hblks hblkhd usm fsm uord ford keep".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
if sys.argv[1] == "True":
    return_freed_memory()
bytearray(2**21)
before = libc.mallinfo2().hblkhd
block = bytearray(2**21)
print(libc.mallinfo2().hblkhd - before)
"""


def mapped(*, returned):
    ran = subprocess.run([sys.executable, "-c", MAPPED, str(returned)], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc tells, and needs it")
def test_large_blocks_stay_off_the_heap_so_that_they_can_be_given_back():
    assert 2**21 <= mapped(returned=True)
    assert mapped(returned=False) < 2**21
