"""The worker process: requests from the bus, answers of the engine."""
