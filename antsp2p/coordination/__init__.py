"""What records mean: capabilities, tasks, claims, leases, reputation.

Law of this floor: pure folds over records, and pure decisions on their result. Time comes in as an
argument. No socket, no randomness, and no knowledge of how records travel.
"""
