"""Cases: ending on purpose."""
