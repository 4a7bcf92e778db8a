"""A synthesizer that does what the text says, and writes down what became of it. Run in the server's workers."""

import asyncio
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import structlog

from orpheus_tts.domain import errors
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.ports.observer import SpeechFinished


def failure(name):
    return {
        "invalid": errors.InvalidRequestError("input", "No vowels."),
        "deadline": errors.DeadlineExceededError(3.0),
        "failed": errors.SpeechFailedError(0, 4, "a loop"),
        "dead": errors.EngineDeadError("The engine is gone."),
        "engine": errors.EngineError("The engine hiccuped."),
        "decoder": errors.DecoderError("The codec failed."),
        "bug": RuntimeError("a detail"),
    }[name]


# What any text is spoken as: a second of noise, in ten blocks.
SPEECH = np.random.default_rng(7).integers(-9000, 9000, 24_000, dtype=np.int16)
BLOCKS = np.split(SPEECH, 10)


def chunk(text, index):
    """The first word (three blocks), the rest of the text (what follows), and what is said beyond it."""
    first = text.split(maxsplit=1)[0]
    said = [first, text[len(first) :].strip() or first, "for ever"][index]
    start = max(0, text.rfind(said))
    return Chunk(index, said, start, start + len(said), Boundary.SENTENCE)


def finished(request):
    """An account with as many tokens in as the text has words; silent about them if the text says so."""
    words = request.text.split()
    return SpeechFinished(
        request_id=request.request_id,
        voice=request.voice,
        outcome="completed",
        chunks=1,
        tokens=82,
        retries=0,
        audio_seconds=1.0,
        seconds=0.1,
        time_to_first_audio=0.1,
        prompt_tokens=None if "uncounted" in words else len(words),
    )


def configure_logging():
    """Plain tracebacks: the default ones show local variables, and the text among them."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


class ScriptedSynthesizer:
    def __init__(self, journal, warm_up_seconds=0.0, warm_up_error=None):
        self.healthy = True
        self._journal = journal
        self._warm_up_seconds = warm_up_seconds
        self._warm_up_error = warm_up_error

    def _note(self, event, **data):
        line = json.dumps({"event": event, "pid": os.getpid(), "time": time.monotonic(), **data}) + "\n"
        with Path(self._journal).open("a") as file:
            file.write(line)

    async def stream(self, request, *, observer=None):
        self._note("begin", **asdict(request))
        try:
            async for block in self._play(request.text, *request.text.split()):
                yield block
            self._note("complete", request_id=request.request_id)
            if observer is not None:
                observer.observe(finished(request))
        finally:
            self._note("end", request_id=request.request_id)

    async def _play(self, text, act, what="", *_):
        if act == "fail-before":
            raise failure(what)
        if act == "stuck":
            await asyncio.sleep(600)
        if act == "die-before":
            os.kill(os.getpid(), signal.SIGKILL)
        if act != "empty":
            for block in BLOCKS[:3]:
                yield AudioBlock(block, chunk(text, 0))
            async for block in self._play_on(text, act, what):
                yield block

    async def _play_on(self, text, act, what):
        if act == "lose-engine":
            self.healthy = False
        if act in ("fail-after", "lose-engine"):
            raise failure(what)
        for block in BLOCKS[3:]:
            await asyncio.sleep(float(what) if act == "slow" else 0)
            yield AudioBlock(block, chunk(text, 1))
        if act == "big":
            yield AudioBlock(np.tile(SPEECH, 5), chunk(text, 1))
        while act == "endless":
            self._note("block")
            yield AudioBlock(SPEECH, chunk(text, 2))
        while act == "live":
            yield AudioBlock(SPEECH, chunk(text, 2))
            await asyncio.sleep(1)

    async def warm_up(self):
        await asyncio.sleep(self._warm_up_seconds)
        if self._warm_up_error is not None:
            raise self._warm_up_error
        self._note("warm-up")

    async def aclose(self):
        self._note("close")


@dataclass(frozen=True)
class MakeScripted:
    """Picklable into workers.

    `fail_start`: what goes wrong there; `load_seconds`: how long loading blocks; `warm_up_seconds`: what follows it.
    """

    journal: str
    fail_start: str = ""
    load_seconds: float = 0.0
    warm_up_seconds: float = 0.0

    def __call__(self, device):
        configure_logging()
        time.sleep(self.load_seconds)
        if self.fail_start == "unavailable":
            raise errors.BackendUnavailableError("There is no GPU here: set TTS_BACKEND=embedded.")
        if self.fail_start == "bug":
            raise RuntimeError("a bug at start")
        cold = errors.BackendUnavailableError("The model is loaded, but does not speak.")
        return ScriptedSynthesizer(self.journal, self.warm_up_seconds, cold if self.fail_start == "cold" else None)
