"""Cases: heartbeat and half-open connections."""
