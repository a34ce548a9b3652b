"""The simulated world: many nodes, one clock, one seed, named faults, checkers."""
