"""The HTTP side: parses, limits, routes, waits and answers; never decodes a pixel."""
