"""The running server on the CPU."""

from server_behaviour import *  # noqa: F403 - its tests and fixtures are this file's
