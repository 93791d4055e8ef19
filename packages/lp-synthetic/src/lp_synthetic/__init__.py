"""Synthetic projects whose truth is known: a mouse seen directly and in a mirror below it."""

from lp_synthetic.generate import generate_project
from lp_synthetic.project import SyntheticProject, read_project
from lp_synthetic.settings import SyntheticSettings

__all__ = ["SyntheticProject", "SyntheticSettings", "generate_project", "read_project"]
