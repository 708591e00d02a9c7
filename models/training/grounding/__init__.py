"""Grounding, from photos with boxes to a trained model: pictures, what is said about them, pretext, course and commission."""
