"""What a card says beside accuracy: subjects and texts that do not fit, explanations, the plain bundle, limits.

Owns these words. A paragraph whose measurement was not asked for is left out, and the limits say what was not measured.
"""

from __future__ import annotations

from export.evidence import Evidence
from export.role import Role
from export.trust.conflicts import Conflicts
from export.trust.explaining import Explained
from export.trust.standing import GAP_LIMIT, Standing
from export.trust.uncertainty import Uncertainty
from models.evaluation.trust import faithfulness_table, pointing_table

_SYSTEM_LIMITS: dict[str, tuple[str, ...]] = {
    "pma": ("It was trained with a text to each photo and is worse than an image-only model without one.",),
    "s3n": ("It runs the backbone three times for each photo.",),
}


def behind(found: Standing | None) -> str:
    """The warning at the top, where a bundle is far behind."""
    if found is None or not found.is_behind:
        return ""
    return f"**Experimental**: more than {100 * GAP_LIMIT:.0f} points below the plain bundle of its domain.\n"


def standing(found: Standing | None) -> str:
    """How far a bundle lies above or below the plain one."""
    if found is None:
        return ""
    margin = found.margin
    side = "above" if margin.mean >= 0 else "below"
    return (
        f"On the {found.photos:,} photos of {found.part} top-1 is {100 * abs(margin.mean):.2f} points {side} that of "
        f"{found.identity} (difference {100 * margin.low:+.2f} to {100 * margin.high:+.2f}).\n"
    )


def uncertain(found: Uncertainty) -> str:
    """On whom the score of `uncertain` was chosen, and how well each did."""
    trial = found.trial
    if trial is None:
        return ""
    scores = ", ".join(
        f"{name} {one.value:.3f} ({one.interval[0]:.3f} - {one.interval[1]:.3f})"
        for name, one in trial.choice.tried.items()
    )
    return (
        f"The score was chosen on {trial.unknown:,} photos of {trial.classes} classes that {trial.identity} was not taught, "
        f"beside {trial.known:,} held-out photos of its own classes. AUROC: {scores}. The first that no other beats beyond "
        "chance is taken.\n"
    )


def mismatches(found: Conflicts | None) -> str:
    """How well texts of other classes are caught."""
    if found is None:
        return ""
    fitted = f"Whether a text fits is judged by what {found.student} sees, with a threshold fitted on held-out photos."
    figures = found.figures
    if figures is None:
        return f"{fitted}\n"
    low, high = figures.auroc.interval
    return (
        f"{fitted} Of {figures.photos:,} photos ({found.part}) {100 * figures.caught:.1f} % are flagged when they are told "
        f"the text of another class, and {100 * figures.false_alarms:.1f} % with their own; AUROC "
        f"{figures.auroc.value:.3f} ({low:.3f} - {high:.3f}).\n"
    )


def explanations(found: Explained | None) -> str:
    """The curves beside both controls, and where the explanations point."""
    if found is None:
        return ""
    pointing = f"\n{pointing_table(found.pointing)}" if found.pointing else ""
    return (
        f"## Explanations\n\nPhotos: {found.part}. Areas under the curve of the answer's probability while a tenth of the "
        "photo after the other is blurred (deletion, better low) or restored (insertion, better high).\n\n"
        f"{faithfulness_table(found.faithfulness)}{pointing}"
    )


def limits(role: Role, evidence: Evidence) -> list[str]:
    """What a reader must not expect, and what was not measured."""
    found = list(_SYSTEM_LIMITS.get(role.system, ()))
    if role.system == "pma" and evidence.conflicts is None:
        found.append("It does not tell when a text does not fit its photo.")
    if evidence.explained is None:
        found.append("How faithful the explanation is was not measured by the export.")
    if not role.is_router:
        found.append("A photo of something else gets an answer too; not all of them are called uncertain.")
    return found
