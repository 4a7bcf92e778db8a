"""The result of a part as a file: written anew with each row, so that a run that is cut off loses nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Results:
    """Facts and rows of one part.

    Args:
        file: JSON; what it held is lost.
        part: The part's name.
    """

    def __init__(self, file: Path, part: str) -> None:
        self._file = file
        self._content: dict[str, Any] = {"part": part, "complete": False, "facts": {}, "rows": []}
        file.parent.mkdir(parents=True, exist_ok=True)
        self._write()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Those so far."""
        return [*self._content["rows"]]

    def note(self, **facts: Any) -> None:
        """Add facts that hold for the whole part."""
        self._content["facts"].update(facts)
        self._write()

    def add(self, **row: Any) -> None:
        """Add a row, and show it."""
        self._content["rows"].append(row)
        self._write()
        print("  " + "  ".join(f"{name} {value}" for name, value in row.items()), flush=True)

    def complete(self) -> None:
        """Mark that nothing is missing."""
        self._content["complete"] = True
        self._write()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._content, indent=1) + "\n", encoding="utf-8")
        new.replace(self._file)


def read(file: Path) -> Mapping[str, Any] | None:
    """What a part has left; None if it never ran."""
    if not file.exists():
        return None
    content: dict[str, Any] = json.loads(file.read_bytes())
    return content
