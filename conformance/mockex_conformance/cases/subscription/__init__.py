"""Cases: subscriptions."""
