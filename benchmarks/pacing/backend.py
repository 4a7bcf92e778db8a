"""Backends that keep real time and cost next to nothing; they differ in how many ids are handed out at a time."""

from concurrent.futures import Executor

from modelless.decoder import ReadyDecoder
from modelless.generator import PacedGenerator
from orpheus_tts.backends import Backend
from orpheus_tts.domain.tokens import CODES_PER_FRAME
from orpheus_tts.settings import Settings


def paced_frames(_settings: Settings, _executor: Executor) -> Backend:
    """Whole frames at a time."""
    return Backend(PacedGenerator(at_a_time=CODES_PER_FRAME), ReadyDecoder())


def paced_tokens(_settings: Settings, _executor: Executor) -> Backend:
    """One token at a time."""
    return Backend(PacedGenerator(at_a_time=1), ReadyDecoder())
