"""Cases: what reaches the consumer."""
