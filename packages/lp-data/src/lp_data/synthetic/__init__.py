"""A made-up project whose truth is known: a mouse seen directly and in a mirror below it."""

from lp_data.synthetic.generate import generate_project
from lp_data.synthetic.project import SyntheticProject, read_project
from lp_data.synthetic.settings import SyntheticSettings

__all__ = ["SyntheticProject", "SyntheticSettings", "generate_project", "read_project"]
