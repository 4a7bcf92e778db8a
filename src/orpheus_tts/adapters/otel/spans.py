"""Spans under way, by their request, and what is said in them."""

from collections import defaultdict
from collections.abc import Mapping

from opentelemetry.trace import INVALID_SPAN, Span


class OpenSpans:
    """A client may give several of its requests the same id; then what belongs to which is guessed, but all end."""

    def __init__(self) -> None:
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)

    def add(self, request_id: str, span: Span) -> None:
        """Keep a span that has just begun."""
        self._spans[request_id].append(span)

    def latest(self, request_id: str) -> Span:
        """The request's span; one that takes note of nothing if there is none."""
        spans = self._spans.get(request_id)
        return spans[-1] if spans else INVALID_SPAN

    def pop(self, request_id: str) -> Span:
        """The same, forgotten here."""
        spans = self._spans.get(request_id)
        if not spans:
            return INVALID_SPAN
        span = spans.pop()
        if not spans:
            del self._spans[request_id]
        return span


def stage_attributes(stages: Mapping[str, float]) -> dict[str, float]:
    """Where the time to the first audio went, seconds by stage, as attributes."""
    return {f"orpheus_tts.stage.{name}": seconds for name, seconds in stages.items()}
