"""Backends of the benchmarks, offered to a server as an installed package offers its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from orpheus_tts.backends import GROUP, BackendFactory


@contextmanager
def python_path(backends: Mapping[str, BackendFactory]) -> Iterator[str]:
    """A `PYTHONPATH` under which there are further backends.

    Args:
        backends: By name: functions of the benchmarks' modules.
    """
    with TemporaryDirectory(prefix="plugin-") as folder:
        about = Path(folder) / "plugin-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
        entries = [f"{name} = {factory.__module__}:{factory.__name__}\n" for name, factory in backends.items()]
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{''.join(entries)}")
        benchmarks = str(Path(__file__).parents[1])
        yield os.pathsep.join(filter(None, [folder, benchmarks, os.environ.get("PYTHONPATH")]))
