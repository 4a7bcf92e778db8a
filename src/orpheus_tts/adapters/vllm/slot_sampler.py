"""Confines each row of logits to its slot and narrows it there: the mathematics of `slot_processor`, on any device.

Of the 156,940 ids 4,097 at most can come next. They are taken out of the row, penalised and cut there, and put back
into a row of minus infinity, so no step but one fill touches the rest.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from orpheus_tts.adapters.vllm.sampling_limits import SamplingLimits
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, END_OF_SPEECH, FIRST_AUDIO_TOKEN

_CODES = CODES_PER_FRAME * CODEBOOK_SIZE
_COLDEST = 1e-5
"""Below it vLLM takes the likeliest token (`_SAMPLING_EPS` of v1/sample/sampler.py): so do the limits."""
_TEMPERATURE, _TOP_K, _TOP_P, _MIN_P, _PENALTY = range(5)
_NONE = (1.0, float(_CODES), 2.0, 0.0, 1.0)  # no share is 2: rounding in a sum never makes top_p 1 drop anything


class SlotSampler:
    """What is asked of each request and which codes it has heard, for as many as may be in the batch.

    Args:
        requests: Most requests at once; each is told apart by a number below it.
        device: Where the logits are.
        pin_memory: Whether tensors on their way to the device are put into page-locked memory.
    """

    def __init__(self, requests: int, device: torch.device, *, pin_memory: bool) -> None:
        self._device = device
        self._pin_memory = pin_memory
        self._asked = np.tile(np.array(_NONE, dtype=np.float32), (requests, 1))
        self._narrow = np.zeros(requests, dtype=bool)
        self._penalise = np.zeros(requests, dtype=bool)
        self._limits = self.upload(self._asked)
        # The last column takes what is no code.
        self._heard = torch.zeros(requests, _CODES + 1, dtype=torch.bool, device=device)
        self._codes = torch.arange(CODEBOOK_SIZE, device=device)

    def begin(self, request: int, limits: SamplingLimits, *, temperature: float) -> None:
        """Forget whoever had this number, and take down what is asked now; counts after `commit`."""
        self._asked[request] = _NONE
        self._asked[request, _TEMPERATURE] = max(temperature, _COLDEST)
        if limits.top_k > 0:
            self._asked[request, _TOP_K] = limits.top_k
        if limits.top_p < 1:
            self._asked[request, _TOP_P] = limits.top_p
        self._asked[request, _MIN_P] = limits.min_p
        self._asked[request, _PENALTY] = limits.repetition_penalty
        self._narrow[request] = limits.narrow
        self._penalise[request] = limits.penalise
        self._heard[request] = False

    def commit(self) -> None:
        """Bring to the device what was taken down."""
        self._limits = self.upload(self._asked)

    def hear(self, requests: torch.Tensor, ids: torch.Tensor) -> None:
        """Note ids of prompts or answers; ids that are no codes are passed over.

        Args:
            requests: Shape (n,), int64, whose each id is; a request may come more than once.
            ids: Shape (n,), any integer type.
        """
        codes = ids.long() - FIRST_AUDIO_TOKEN
        self._heard[requests, torch.where((codes >= 0) & (codes < _CODES), codes, _CODES)] = True

    def apply(
        self, logits: torch.Tensor, requests: torch.Tensor, slots: torch.Tensor, numbers: NDArray[np.integer]
    ) -> torch.Tensor:
        """Leave in each row what its request may draw next.

        Args:
            logits: Shape (rows, vocabulary), float32, before temperature; changed in place.
            requests: Shape (rows,), int64, whose row it is.
            slots: Shape (rows,), int64 in 0..6, the slot of the next token; at 0 speech may end.
            numbers: The requests in the batch once more, on the host and in any order.

        Returns:
            `logits`; minus infinity but for at least one code of the row's slot and, at slot 0, end-of-speech.
        """
        ids = self._legal_ids(slots)
        window = logits.gather(1, ids)
        window[:, -1].masked_fill_(slots != 0, -torch.inf)
        limits = self._limits[requests]
        if self._penalise[numbers].any():
            heard = self._heard[:, :-1].unflatten(1, (CODES_PER_FRAME, CODEBOOK_SIZE))[requests, slots]
            penalise(window[:, :-1], heard, limits[:, _PENALTY, None])
        if self._narrow[numbers].any():
            cut(
                window,
                temperature=limits[:, _TEMPERATURE, None],
                top_k=limits[:, _TOP_K, None],
                top_p=limits[:, _TOP_P, None],
                min_p=limits[:, _MIN_P, None],
            )
        return logits.fill_(-torch.inf).scatter_(1, ids, window)

    def upload(self, values: Sequence[int] | NDArray[np.float32]) -> torch.Tensor:
        """A copy on the device; nothing waits for it."""
        copy = torch.from_numpy(np.array(values))
        return (copy.pin_memory() if self._pin_memory else copy).to(self._device, non_blocking=True)

    def _legal_ids(self, slots: torch.Tensor) -> torch.Tensor:
        """Shape (rows, 4097), int64: the codes of each row's slot, then end-of-speech."""
        ids = torch.empty(len(slots), CODEBOOK_SIZE + 1, dtype=torch.int64, device=self._device)
        torch.add((FIRST_AUDIO_TOKEN + CODEBOOK_SIZE * slots)[:, None], self._codes, out=ids[:, :-1])
        ids[:, -1] = END_OF_SPEECH
        return ids


def penalise(window: torch.Tensor, heard: torch.Tensor, penalty: torch.Tensor) -> None:
    """Lower the logits of what was heard: positive ones are divided by the penalty, negative ones multiplied.

    Args:
        window: Shape (rows, n), float32; changed in place.
        heard: Shape (rows, n), bool.
        penalty: Shape (rows, 1), float32, at least 1.
    """
    window.copy_(torch.where(heard, torch.where(window > 0, window / penalty, window * penalty), window))


def cut(
    window: torch.Tensor, *, temperature: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, min_p: torch.Tensor
) -> None:
    """Leave out the unlikely, in vLLM's order: min_p of what the temperature makes of it, then top_k, then top_p.

    A limit that falls among equals, which half precision makes common, keeps all of them.

    Args:
        window: Shape (rows, n), float32; what is left out becomes minus infinity in place.
        temperature: Shape (rows, 1), float32, above 0. Only the choice depends on it; the logits stay unscaled.
        top_k: Shape (rows, 1), float32, at least 1.
        top_p: Shape (rows, 1), float32, above 0.
        min_p: Shape (rows, 1), float32, 0..1.
    """
    scaled = window / temperature
    ordered = scaled.sort(dim=1, descending=True).values
    kept = torch.arange(ordered.shape[1], device=ordered.device) < top_k
    kept &= (ordered - ordered[:, :1]).exp() >= min_p
    shares = ordered.masked_fill(~kept, -torch.inf).softmax(dim=1)
    kept &= shares.cumsum(dim=1) - shares < top_p
    least = ordered.gather(1, kept.sum(dim=1, keepdim=True) - 1)
    window.masked_fill_(scaled < least, -torch.inf)
