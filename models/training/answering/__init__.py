"""How hard attention learns to answer: materials of questions, what is looked at, lessons, the course of a run, its record."""
