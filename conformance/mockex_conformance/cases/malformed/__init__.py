"""Cases: input nobody expected."""
