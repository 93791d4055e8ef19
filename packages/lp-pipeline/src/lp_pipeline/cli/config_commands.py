"""The commands that look at a config: config show, config check, config schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lp_pipeline.cli.overrides import CommandWithOverrides, Overrides

ConfigFile = Annotated[Path, typer.Argument(help="A config in YAML.")]


def add_config_commands(app: typer.Typer) -> None:
    """Add the commands of this file to ``litpose``."""
    config_app = typer.Typer(help="Look at a config.", no_args_is_help=True, rich_markup_mode=None)
    config_app.command("show", cls=CommandWithOverrides)(config_show)
    config_app.command("check", cls=CommandWithOverrides)(config_check)
    config_app.command("schema")(config_schema)
    app.add_typer(config_app, name="config", rich_help_panel="Projects")


def config_show(config: ConfigFile, overrides: Overrides = None) -> None:
    """Print the resolved config, with the origin of each value."""
    from lp_pipeline.cli.inspect import run_config_show

    run_config_show(config, overrides or [])


def config_check(config: ConfigFile, overrides: Overrides = None) -> None:
    """Check a config without training."""
    from lp_pipeline.cli.inspect import run_config_check

    run_config_check(config, overrides or [])


def config_schema() -> None:
    """Print the JSON schema of configs, for editors."""
    from lp_pipeline.cli.inspect import run_config_schema

    run_config_schema()
