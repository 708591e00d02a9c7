"""From a trained model to a bundle: graph, checks, calibration, card."""
