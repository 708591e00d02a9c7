"""Answers drawn on their photos, as PNG files: for the worker and the command line where a picture was asked for."""

from service.drawing.explanation import draw_answer, draw_subjects
from service.drawing.picture import LEAST_SIDE_PX, SIDE_PX
from service.drawing.pointing import draw_grounding, draw_kept

__all__ = ["LEAST_SIDE_PX", "SIDE_PX", "draw_answer", "draw_grounding", "draw_kept", "draw_subjects"]
