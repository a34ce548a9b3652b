"""Finding out why two nodes do not see each other: small probes, facts, and what follows."""
