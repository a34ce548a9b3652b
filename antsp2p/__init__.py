"""antsp2p: agents on one network share work with no server, relay, leader or scheduler."""
from __future__ import annotations

__version__ = "0.1.0"
