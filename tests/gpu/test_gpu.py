"""The vLLM adapter on CUDA: the same behaviour as on the CPU."""

import pytest
from vllm_behaviour import VllmAnswers, VllmCancellation, VllmContract, VllmEnds, VllmSharing

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


class TestContractOnCuda(VllmContract): ...


class TestAnswersOnCuda(VllmAnswers): ...


class TestCancellationOnCuda(VllmCancellation): ...


class TestSharingOnCuda(VllmSharing): ...


class TestEndsOnCuda(VllmEnds): ...
