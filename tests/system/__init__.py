"""The whole thing as people run it: real processes, real sockets, real signals."""
