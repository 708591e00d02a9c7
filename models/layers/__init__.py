"""Building blocks that the systems share, one paper's mechanism a file."""
