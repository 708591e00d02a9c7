"""What is trained: the systems, their data formats and the bundles that serving reads."""
