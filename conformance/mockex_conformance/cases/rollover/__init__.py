"""Cases: the 24 hours and the announced end."""
