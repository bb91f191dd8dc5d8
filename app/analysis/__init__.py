"""The recipe behind window, command line and cohort."""

from app.analysis.recipe import analyse

__all__ = ["analyse"]
