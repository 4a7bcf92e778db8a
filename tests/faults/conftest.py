"""Real servers in processes of their own, and what is to be left of them: nothing."""

import re
import socket
from pathlib import Path

import pytest
from running_server import SCRIPTED, Server, starting, until

FAULTY = Path(__file__).parent / "support" / "serve_faulty.py"


class FaultServer(Server):
    """A server that has to leave nothing behind."""

    segments = frozenset()

    def processes(self):
        alive = super().processes()
        for process in alive:
            self.segments |= _segments_of(process.pid)
        return alive

    def stages(self):
        """What /health and /livez say: readiness, and whether a restart from outside would help."""
        return self.get("/health").json()["status"], self.get("/livez").json()["status"]

    def sees(self, *stages, seconds=60.0):
        """Wait until health and life are so."""
        until(lambda: stages == self.stages(), seconds=seconds)

    def assert_nothing_left(self):
        """No process, run directory, shared memory or open port."""
        self.gone()
        assert not [segment for segment in self.segments if Path(segment).exists()]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))


def _segments_of(pid):
    """Files of shared memory that a process maps."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    except OSError:  # it has just ended, or this is no Linux
        return frozenset()
    return frozenset(re.findall(r"(/dev/shm/\S+)$", maps, re.MULTILINE))


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Start a server around the scripted synthesizer of tests/api."""
    return starting(tmp_path_factory, script=SCRIPTED, kind=FaultServer)


@pytest.fixture(scope="session")
def start_faulty(tmp_path_factory):
    """Start a server around engines in which the text says what goes wrong."""
    return starting(tmp_path_factory, script=FAULTY, kind=FaultServer)


@pytest.fixture
def wait_until():
    return until
