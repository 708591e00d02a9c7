"""An answerer's run as a bundle: what is asked of it, whether the file computes the same, its numbers and its card."""
