"""What a node does with records, and how fast."""
