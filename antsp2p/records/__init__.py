"""What an author signs: encoding, keys, record, log, vector clock, beat.

Law of this floor: pure functions of bytes. No clock, no socket, no randomness, no thread, no log
line, and nothing that knows what a task is.
"""
