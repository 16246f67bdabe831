"""Cases: consumers and networks that cannot keep up."""
