"""The running service: gateway, bus, workers, engine, supervisor and the command line."""
