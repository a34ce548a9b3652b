"""How many links hostile members come to hold."""
