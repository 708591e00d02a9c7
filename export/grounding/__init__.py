"""From a grounding run to its bundle: stored graphs, measurement, calibration, manifest and card."""
