"""Bytes that nobody meant, for every reader and for the node itself."""
