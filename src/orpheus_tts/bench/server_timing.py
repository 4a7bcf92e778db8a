"""The `Server-Timing` header: where a server says that the time went (W3C Server Timing, section 3)."""

from collections.abc import Iterable

import regex

TOTAL = "total"
# A token, or a quoted string with escapes, as in RFC 9110.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_METRIC = regex.compile(rf"\s*(?<name>{_TOKEN})\s*(?<parameters>(?:;(?:{_QUOTED}|[^\",])*+)?)\s*(?:,|$)")
_PARAMETER = regex.compile(rf';\s*(?<key>{_TOKEN})\s*=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*+)"|(?<plain>[^;,"\s]*))')


def durations(headers: Iterable[str]) -> dict[str, float]:
    """Seconds by metric, of all values of the header in order.

    A metric without a `dur`, or with one that is no number of 0 or more, is left out. Of two metrics of the same name
    the durations are added up; of two `dur` in one metric the first counts.
    """
    found: dict[str, float] = {}
    for header in headers:
        for metric in _METRIC.finditer(header):
            given = (each for each in _PARAMETER.finditer(metric["parameters"]) if each["key"].lower() == "dur")
            if (parameter := next(given, None)) is None:
                continue
            try:
                seconds = float(parameter["quoted"] if parameter["quoted"] is not None else parameter["plain"]) / 1000
            except ValueError:
                continue
            if 0 <= seconds < float("inf"):
                found[metric["name"]] = found.get(metric["name"], 0.0) + seconds
    return found
