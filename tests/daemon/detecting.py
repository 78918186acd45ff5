"""`postmill` on a machine below a directory: everything is real but where detection looks.

python -m tests.daemon.detecting ROOT run -c FILE
"""

from __future__ import annotations

import sys

from postmill.cli import main
from postmill.daemon import configuration
from postmill.daemon.machine import Machine
from postmill.detectors import detect

if __name__ == "__main__":
    machine = Machine(sys.argv.pop(1))
    configuration.milters_here = lambda: detect(machine).findings
    main()
