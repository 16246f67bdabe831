"""The live view of `mockex serve`: what happens at the exchange, on a terminal, as it happens."""
