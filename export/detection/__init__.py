"""A published detector as a bundle: it proposes where the subjects of the served domains are."""
