"""The running server on CUDA, when the engine or the model fails."""

from server_behaviour import start  # noqa: F401 - a fixture
from server_faults import *  # noqa: F403 - its tests and fixtures are this file's
