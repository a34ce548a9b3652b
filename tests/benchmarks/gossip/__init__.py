"""How well records spread: real processes, other systems in the same run, and the simulation."""
