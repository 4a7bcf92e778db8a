"""A real synthesizer on engines in which the text says what goes wrong. Run in the server's workers."""

import asyncio
import json
import os
import re
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import structlog

from orpheus_tts.application import StallPolicy, SynthesisPolicy, Synthesizer
from orpheus_tts.domain import errors
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

# For tests, not for people: what hangs has to be noticed soon, on a busy machine too.
STALLS = StallPolicy(first_token=4.0, next_token=2.0, decode=4.0)
BEFORE_THE_FAULT = 12  # batches of a frame each, which are heard

ERRORS = {
    "error": errors.EngineError("The engine hiccuped."),
    "memory": errors.EngineOutOfMemoryError("The engine ran out of memory."),
    "lost": errors.EngineDeadError("The engine is gone."),
}
DECODE_ERRORS = {
    "decode-error": errors.DecoderError("The codec hiccuped."),
    "decode-memory": errors.DecoderOutOfMemoryError("The codec ran out of memory."),
}


class Faults:
    """The fault that a text's first word names, `once`, in whichever worker, or `always`, as its second word says.

    With `-first` at its end it comes before any sound, else in its middle.
    """

    def __init__(self, journal):
        self._done = Path(journal).with_name("done")
        self._done.touch()
        self.of_decoder = None

    def next_for(self, text):
        name, often, *_ = re.findall(r"[\w-]+", text)
        done = self._done.read_text()
        if often == "once" and text in done:
            return None
        self._done.write_text(f"{done}{text}\n")
        return name


class FaultyGenerator(SyntheticTokenGenerator):
    def __init__(self, faults):
        super().__init__()
        self._faults = faults
        self._lost = False

    @property
    def healthy(self):
        return super().healthy and not self._lost

    async def generate(self, prompt, sampling, *, prefix, request_id):
        fault = self._faults.next_for(prompt.text)
        async with aclosing(super().generate(prompt, sampling, prefix=prefix, request_id=request_id)) as batches:
            number = 0
            async for batch in batches:
                if number == (0 if fault and fault.endswith("-first") else BEFORE_THE_FAULT):
                    await self._fail(fault and fault.removesuffix("-first"))
                number += 1
                yield batch

    async def _fail(self, fault):
        if fault == "stall":
            await asyncio.sleep(1e6)
        elif fault == "block":
            time.sleep(1e6)  # noqa: ASYNC251 - as a library does that never returns
        elif fault in ERRORS:
            self._lost = fault == "lost"
            raise ERRORS[fault]
        elif fault and fault.startswith("decode-"):
            self._faults.of_decoder = fault


class FaultyDecoder(SyntheticDecoder):
    def __init__(self, faults):
        super().__init__(receptive_field=4757)
        self._faults = faults

    async def decode(self, frames, *, position=0):
        fault, self._faults.of_decoder = self._faults.of_decoder, None
        if fault == "decode-stuck":
            await asyncio.to_thread(time.sleep, 1e6)
        elif fault in DECODE_ERRORS:
            raise DECODE_ERRORS[fault]
        return await super().decode(frames, position=position)


class NotedSynthesizer(Synthesizer):
    """Writes down that it is ready."""

    def __init__(self, journal):
        faults = Faults(journal)
        policy = SynthesisPolicy(stalls=STALLS)
        super().__init__(FaultyGenerator(faults), FaultyDecoder(faults), policy=policy)
        self._journal = journal

    async def warm_up(self):
        await super().warm_up()
        note = json.dumps({"event": "warm-up", "pid": os.getpid()}) + "\n"
        with Path(self._journal).open("a") as file:  # noqa: ASYNC230 - before there is anybody to keep waiting
            file.write(note)


@dataclass(frozen=True)
class MakeFaulty:
    """Picklable into workers. None starts while there is a file `broken` beside the journal."""

    journal: str

    def __call__(self, device):
        structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
        if Path(self.journal).with_name("broken").exists():
            raise errors.BackendUnavailableError("The device is full.")
        return NotedSynthesizer(self.journal)
