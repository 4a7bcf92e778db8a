"""Run the server around the scripted synthesizer: serve_scripted.py OPTIONS MAKE, both JSON objects."""

import json
import sys

from scripted import MakeScripted, configure_logging

from orpheus_tts.adapters.litserve import ServeOptions, run_server


def main(make):
    """Serve with synthesizers made by `make`, until a signal comes."""
    # The workers import this file too, and need no codecs.
    from orpheus_tts.adapters.pyav import PyavTempo  # noqa: PLC0415
    from orpheus_tts.formats import FORMATS  # noqa: PLC0415

    defaults = {
        "model": "org/orpheus",
        "backend": "scripted",
        "formats": FORMATS,
        "make_tempo": PyavTempo,
        "graceful_timeout": 5.0,
    }
    options = ServeOptions(**(defaults | json.loads(sys.argv[1])))
    configure_logging()
    sys.exit(run_server(options, make(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main(MakeScripted)
