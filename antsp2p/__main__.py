"""`python -m antsp2p` is the command line."""
from __future__ import annotations

import sys

from antsp2p.interfaces.command_line import main

if __name__ == "__main__":
    sys.exit(main())
