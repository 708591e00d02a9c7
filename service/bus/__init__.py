"""How requests reach workers and answers come back."""
