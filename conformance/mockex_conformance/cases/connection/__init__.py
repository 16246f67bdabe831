"""Cases: who owns the connection."""
