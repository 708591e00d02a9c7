"""What accuracy does not tell of a bundle: subjects and texts that do not fit, explanations, its distance from the plain one.

- `companions`: the other models that this takes;
- `uncertainty`: which score tells unknown subjects;
- `conflicts`: whether a text fits its photo;
- `explaining`: whether explanations show what answers rest on;
- `standing`: how far a bundle lies from the plain one of its domain.
"""
