"""What hostile nodes must not achieve."""
