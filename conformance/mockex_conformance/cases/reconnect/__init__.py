"""Cases: coming back, politely."""
