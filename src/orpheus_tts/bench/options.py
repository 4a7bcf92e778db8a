"""What is given on the command line, and the plan that it makes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orpheus_tts.bench.audio import METERS
from orpheus_tts.bench.judging import CRITERIA, Demand
from orpheus_tts.bench.load import Load
from orpheus_tts.bench.texts import LENGTHS, prompts, rotated, written

if TYPE_CHECKING:
    from orpheus_tts.bench.measuring import Plan

_ROUTE = "/audio/speech"
_DURATION = 10.0
_BUFFER = 0.5
_LIMIT = 200.0  # milliseconds
_MOST = 1024
_SLACK = 0.05
_STREAM_FORMATS = ("audio", "sse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `orpheus-tts bench`, as they were given; None where one was not.

    What each means is said by its help, in `command.py`.
    """

    url: str
    streams: str | None = None
    rate: str | None = None
    find: bool = False
    limit: float | None = None
    by: str | None = None
    most: int | None = None
    slack: float | None = None
    duration: float | None = None
    requests: int | None = None
    warmup: int = 1
    ramp: float | None = None
    pace: bool = False
    buffer: float | None = None
    voice: str = "alloy"
    model: str = "tts-1"
    response_format: str = "pcm"
    stream_format: str = "audio"
    length: str | None = None
    text: Path | None = None
    body: str = "{}"
    api_key: str | None = None
    header: tuple[str, ...] = ()
    timeout: float = 120.0
    seed: int = 0

    def parameters(self) -> dict[str, Any]:
        """All of them for a report, with the defaults of those that were not given and matter; without secrets."""
        defaults = {
            "streams": "1" if self.rate is None else None,
            "duration": self._duration(),
            "length": None if self.text is not None else "mix",
            "ramp": 0.0 if self.rate is None else None,
            **({"buffer": _BUFFER} if self.pace else {}),
            **({"limit": _LIMIT, "by": CRITERIA[0], "most": _MOST, "slack": _SLACK} if self.find else {}),
        }
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {
            **dict.fromkeys(asdict(self)),
            **defaults,
            **given,
            "text": None if self.text is None else str(self.text),
            "api_key": self.api_key is not None,
            "header": [name for name, _ in map(_header, self.header)],
        }

    def plan(self) -> "Plan":
        """What to measure.

        Raises:
            ValueError: Options that contradict each other or cannot be understood; the message says which.
            OSError: The file of texts cannot be read.
        """
        from orpheus_tts.bench.http_client import Query  # noqa: PLC0415 - needs the extra
        from orpheus_tts.bench.measuring import Plan, Search  # noqa: PLC0415

        self._check()
        query = Query(
            url=_speech_route(self.url),
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                **({"Authorization": f"Bearer {self.api_key}"} if self.api_key is not None else {}),
                **dict(map(_header, self.header)),
            },
            fields=self._fields(),
            response_format=self.response_format,
            events=self.stream_format == "sse",
            timeout=self.timeout,
            buffer=None if not self.pace else _BUFFER if self.buffer is None else self.buffer,
        )
        loads = self._loads()
        search = None
        if self.find:
            search = Search(
                demand=Demand(limit=(_LIMIT if self.limit is None else self.limit) / 1000, by=self.by or CRITERIA[0]),
                start=loads[0].streams or 1,
                most=self.most or _MOST,
                slack=_SLACK if self.slack is None else self.slack,
            )
        voices = [name.strip() for name in self.voice.split(",")]
        return Plan(
            query=query,
            prompts=prompts(self._texts(), voices),
            loads=loads,
            warmup=self.warmup,
            search=search,
        )

    def _check(self) -> None:
        choices = (
            ("--format", self.response_format, tuple(METERS)),
            ("--stream-format", self.stream_format, _STREAM_FORMATS),
            ("--by", self.by or CRITERIA[0], CRITERIA),
            ("--length", self.length or "mix", LENGTHS),
        )
        for name, value, allowed in choices:
            if value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}.")
        together: tuple[tuple[object, str, tuple[tuple[str, object], ...]], ...] = (
            (self.rate, "--rate", (("--streams", self.streams), ("--ramp", self.ramp), ("--find", self.find or None))),
            (self.text, "--text", (("--length", self.length),)),
        )
        for chosen, name, others in together:
            for other, given in others:
                if chosen is not None and given is not None:
                    raise ValueError(f"{name} and {other} exclude each other.")
        needing = {"--find": ("limit", "by", "most", "slack"), "--pace": ("buffer",)}
        for needed, dependent in needing.items():
            for name in dependent:
                if getattr(self, name) is not None and not getattr(self, needed.removeprefix("--")):
                    raise ValueError(f"--{name} does nothing without {needed}.")

    def _loads(self) -> list[Load]:
        common: dict[str, Any] = {"requests": self.requests, "duration": self._duration(), "seed": self.seed}
        if self.rate is not None:
            return [Load(rate=rate, **common) for rate in _numbers("--rate", self.rate, float)]
        streams = [int(each) for each in _numbers("--streams", self.streams or "1", int)]
        if self.find and len(streams) > 1:
            raise ValueError("With --find, --streams is the one number to begin with.")
        return [Load(streams=each, ramp=self.ramp or 0.0, **common) for each in streams]

    def _duration(self) -> float | None:
        return self.duration if self.duration is not None or self.requests is not None else _DURATION

    def _texts(self) -> Iterator[str]:
        if self.text is None:
            return written(self.length or "mix", self.seed)
        try:
            return rotated(self.text.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.text}: {error}") from error

    def _fields(self) -> Mapping[str, Any]:
        try:
            more = json.loads(self.body)
        except ValueError as error:
            raise ValueError(f"--body is no JSON: {error}") from error
        if not isinstance(more, dict):
            raise ValueError(f"--body is no JSON object, but {more!r}.")  # noqa: TRY004 - of what was given, not by whom
        events = {"stream_format": self.stream_format} if self.stream_format != "audio" else {}
        return {"model": self.model, "response_format": self.response_format, **events, **more}


def _speech_route(url: str) -> str:
    """The speech route of a server, of which at least scheme and host are given."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a server: give it as http://host:port.")
    path = parts.path.rstrip("/")
    if not path.endswith(_ROUTE):
        path = f"{path or '/v1'}{_ROUTE}"
    return parts._replace(path=path).geturl()


def _header(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"--header is 'Name: value', not {given!r}.")
    return name.strip(), value.strip()


def _numbers(name: str, given: str, kind: type[int] | type[float]) -> list[float]:
    try:
        numbers = [kind(each) for each in given.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < each < float("inf") for each in numbers):
        raise ValueError(f"{name} takes numbers above 0, separated by commas, not {given!r}.")
    return numbers
