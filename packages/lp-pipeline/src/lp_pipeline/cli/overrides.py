"""Commands that take ``key=value`` settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from lp_pipeline.cli.completion import complete_override

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values that replace those of the config.",
        autocompletion=complete_override,
    ),
]


class CommandWithOverrides(TyperCommand):
    """Says how a setting is given where someone tries an option instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as usual; an unknown option is answered with the form of a setting.

        Args:
            ctx: The context of the call.
            args: What was typed.

        Returns:
            What was left over.
        """
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if option and hasattr(error, "message"):
                error.message += (
                    f"; settings of the config are given as key=value, such as "
                    f"training.max_epochs=100 ({option} is none of this command's options)"
                )
            raise
