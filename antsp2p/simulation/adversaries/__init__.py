"""Nodes that break the rules on purpose, one file each: what an attacker could run."""
