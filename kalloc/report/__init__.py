"""A plan to look at: one page for those who decide, and figures of plotly for notebooks."""

from kalloc.report.figures import plot_curve, plot_flow, plot_fragmentation, plot_map, plot_slots
from kalloc.report.page import render

__all__ = ["plot_curve", "plot_flow", "plot_fragmentation", "plot_map", "plot_slots", "render"]
