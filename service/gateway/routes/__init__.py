"""The gateway's routes, one file per resource."""
