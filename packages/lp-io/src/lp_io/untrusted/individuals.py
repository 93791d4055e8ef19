"""Which animal is meant where a file holds several, and DeepLabCut's animal that is none."""

from __future__ import annotations

from collections.abc import Sequence

from lp_core.errors import nearest_name
from lp_io.untrusted.content import ContentError

SINGLE = "single"
"""DeepLabCut's name for keypoints that exist once in the scene, such as the corners of a box.

They are no animal of their own, and belong to whichever animal is taken.
"""


def choose_individual(names: Sequence[str], wanted: str | None) -> str:
    """The animal to take out of a table of predictions.

    Args:
        names: The animals that the file names, each once; `SINGLE` may be among them.
        wanted: The name of the animal to take; None takes the only one.

    Raises:
        ContentError: No animal has that name, or there are several and none is wanted.
    """
    if wanted is not None:
        if wanted not in names:
            raise unknown_individual(wanted, names)
        return wanted
    animals = [name for name in names if name != SINGLE] or list(names)
    if len(animals) > 1:
        raise ContentError(
            f"these are predictions of {len(animals)} animals; lp tracks one",
            f"choose one with litpose convert --individual: {', '.join(animals)}",
        )
    return animals[0]


def columns_of_individual(individuals: Sequence[str], wanted: str | None) -> list[int]:
    """The columns of one animal and of the keypoints that exist once in the scene.

    Args:
        individuals: For each column of a table the animal that it belongs to.
        wanted: See `choose_individual`.

    Raises:
        ContentError: As `choose_individual`.
    """
    chosen = choose_individual(list(dict.fromkeys(individuals)), wanted)
    return [column for column, name in enumerate(individuals) if name in (chosen, SINGLE)]


def refuse_wish(wanted: str | None) -> None:
    """Refuse the wish for an animal in a table that names none.

    Raises:
        ContentError: An animal is wanted.
    """
    if wanted is not None:
        raise unknown_individual(wanted, ())


def unknown_individual(wanted: str, names: Sequence[str]) -> ContentError:
    """The error that no animal is named ``wanted``, with the names that there are."""
    if not names:
        return ContentError(
            f"no animal is named '{wanted}': the file names no animals", "leave --individual out"
        )
    guess = nearest_name(wanted, names)
    hint = f"did you mean '{guess}'? " if guess else ""
    listing = ", ".join(name or "(without a name)" for name in names)
    return ContentError(f"no animal is named '{wanted}'", f"{hint}there are: {listing}")
