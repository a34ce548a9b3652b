"""How records travel: wire, link, view, spread, reconcile.

Law of this floor: pure, event in and effect out. Time and randomness come in as arguments. What a
record's body means is not known here.
"""
