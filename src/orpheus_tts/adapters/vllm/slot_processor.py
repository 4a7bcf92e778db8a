"""The logits processor that vLLM loads, by its name, where the model runs: each token comes from its slot.

Position mod 7 decides which 4,096 ids are legal, and end-of-speech is so at a frame's end only. Prompts end with whole
frames, so the position is the number of tokens generated, whatever was cached, preempted or is still being prefilled.

An answer may end before its first frame. That is the model's word for a text it cannot speak; the core tries again
with other sampling rather than speak what was never meant.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor

from orpheus_tts.adapters.vllm.sampling_limits import from_extra_args
from orpheus_tts.adapters.vllm.slot_sampler import SlotSampler
from orpheus_tts.domain.tokens import CODES_PER_FRAME

try:
    from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as DeviceLogitsProcessor
except ImportError:  # vLLM below 0.31, which runs any model with a processor on its first runner
    DeviceLogitsProcessor = object


class SlotProcessor(LogitsProcessor, DeviceLogitsProcessor):  # type: ignore[misc]  # vLLM has no types
    """A `SlotSampler` between vLLM's batch and its sampler, behind the interfaces of both of vLLM's model runners.

    The first runner tells of changes to its batch (`update_state`) and calls `apply(logits)`. The second gives each
    request a number (`add_request`) and calls `apply(logits, context)` with positions that are on the device.

    Args:
        config: vLLM's own configuration.
        place: The first runner's device, or the second's `LogitsProcRequestState`.
        is_pin_memory: From the first runner, whether memory can be page-locked.

    Raises:
        ValueError: Speculative decoding is configured; its drafts are not confined to slots.
    """

    def __init__(self, config: Any, place: Any, is_pin_memory: bool | None = None) -> None:
        if config.speculative_config is not None:
            raise ValueError("Speculative decoding drafts tokens without regard to Orpheus's frames; leave it off.")
        device = place if isinstance(place, torch.device) else place.device
        requests = config.scheduler_config.max_num_seqs
        pin_memory = device.type == "cuda" if is_pin_memory is None else is_pin_memory
        self._sampler = SlotSampler(requests, device, pin_memory=pin_memory)
        self._requests = place  # of the second runner
        self._new: list[int] = []
        self._rows = [_Row(number, self._sampler) for number in range(requests)]
        self._size = 0

    def is_argmax_invariant(self) -> bool:
        """False: the likeliest token of the whole vocabulary may be illegal."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """First runner, before each forward pass: follow who is in which row and how far they are."""
        if batch_update is not None:
            self._size = batch_update.batch_size
            for index, params, prompt, output in batch_update.added:
                self._rows[index].begin(params, prompt or (), output)
            for one, other, _ in batch_update.moved:
                self._rows[one], self._rows[other] = self._rows[other], self._rows[one]
            if batch_update.added:
                self._sampler.commit()
        rows = self._rows[: self._size]
        numbers = [row.number for row in rows]
        positions = [len(row.output) for row in rows]
        heard = [(row.number, token) for row in rows if row.hears for token in row.unheard()]
        requests, ids = zip(*heard, strict=True) if heard else ((), ())
        # One journey to the device for all.
        sent = self._sampler.upload([*numbers, *positions, *requests, *ids]).long()
        self._numbers = np.array(numbers, dtype=np.int64)
        self._row_requests, sent_positions, *told = sent.split([self._size] * 2 + [len(heard)] * 2)
        self._row_slots = sent_positions % CODES_PER_FRAME
        if heard:
            self._sampler.hear(*told)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Second runner: a request enters the batch, or comes back after it was preempted."""
        self._sampler.begin(
            req_idx, from_extra_args(sampling_params.extra_args), temperature=sampling_params.temperature
        )
        self._new.append(req_idx)
        return True

    def apply_staged_writes(self) -> None:
        """Second runner, before each forward pass, when the new requests' tokens are on the device."""
        if not self._new:
            return
        self._sampler.commit()
        for number in self._new:
            ids = self._requests.all_token_ids.gpu[number, : int(self._requests.prefill_len.np[number])]
            self._sampler.hear(torch.full_like(ids, number, dtype=torch.int64), ids)
        self._new.clear()

    def apply(self, logits: torch.Tensor, ctx: Any = None) -> torch.Tensor:
        """Either runner, before temperature: see `SlotSampler.apply`."""
        if ctx is None:
            return self._sampler.apply(logits, self._row_requests, self._row_slots, self._numbers)
        requests = ctx.expanded_idx_mapping.long()
        self._sampler.hear(requests, ctx.input_ids)
        slots = (ctx.pos + 1 - self._requests.prompt_len.gpu[requests]).long() % CODES_PER_FRAME
        return self._sampler.apply(logits, requests, slots, ctx.idx_mapping_np)


class _Row:
    """A request in the first runner's batch. Rows change places there; the request's number stays.

    Args:
        number: Of the request, for the sampler.
        sampler: Who is told.
    """

    def __init__(self, number: int, sampler: SlotSampler) -> None:
        self.number = number
        self.output: Sequence[int] = ()  # vLLM's own list of what was generated, which grows
        self.hears = False
        self._sampler = sampler
        self._prompt: Sequence[int] = ()
        self._heard = 0

    def begin(self, params: Any, prompt: Sequence[int], output: Sequence[int]) -> None:
        """Become another request; one that was preempted brings what it had."""
        limits = from_extra_args(params.extra_args)
        self._sampler.begin(self.number, limits, temperature=params.temperature)
        self.output = output
        self.hears = limits.penalise
        self._prompt = prompt
        self._heard = 0

    def unheard(self) -> Sequence[int]:
        """Tokens of which the sampler has not been told, each returned once.

        With asynchronous scheduling the last one is not known yet and stands as -1. It is told one step later, six
        steps before a token of the same slot is drawn again.
        """
        known = len(self.output)
        while known > self._heard and self.output[known - 1] < 0:
            known -= 1
        tokens = [*self._prompt, *self.output[self._heard : known]]
        self._prompt = ()
        self._heard = known
        return tokens
