"""What attackers on the same machine cost two members who work together."""
