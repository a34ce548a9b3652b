"""What sealed links cost, beside plain ones."""
