"""Run the server around the faulty engines: serve_faulty.py OPTIONS MAKE, both JSON objects."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "api" / "support"))  # the workers need it too

from faulty import MakeFaulty
from serve_scripted import main

if __name__ == "__main__":
    main(MakeFaulty)
