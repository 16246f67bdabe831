"""Cases: resources after many reconnects."""
