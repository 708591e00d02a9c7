"""How good a model is: figures with intervals, plots, and the same photos put to the engine and to a service."""
