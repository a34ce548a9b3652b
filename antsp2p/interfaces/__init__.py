"""Hands and eyes: the command line, the client of the local API, the worker."""
