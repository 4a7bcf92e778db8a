"""Captions as files: SubRip (SRT) and WebVTT."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from orpheus_tts.domain.cues import Cue

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_srt(cues: Iterable[Cue]) -> str:
    """Cues as SubRip, which has no standard but what players read: numbered, times with a comma, no escapes.

    An arrow in the text is shown as one sign, since readers take `-->` for a line of times.
    """
    return "\n".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_body(cue).replace('-->', '→')}\n"
        for number, cue in enumerate(cues, start=1)
    )


def to_vtt(cues: Iterable[Cue]) -> str:
    """Cues as WebVTT (W3C), with `&`, `<` and `>` escaped."""
    return "WEBVTT\n" + "".join(
        f"\n{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_body(cue).translate(_VTT_ESCAPES)}\n" for cue in cues
    )


CAPTION_FORMATS: Mapping[str, Callable[[Iterable[Cue]], str]] = MappingProxyType({".srt": to_srt, ".vtt": to_vtt})
"""By a file's suffix. To be written as UTF-8."""


def _body(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _time(milliseconds: int, separator: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{milliseconds:03}"
