"""One node of each system, as a process that is told what to publish and tells what it gets."""
