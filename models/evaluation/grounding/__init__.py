"""How well a grounding model finds what words mean: the fixed test, people's phrases, floors and the table."""
