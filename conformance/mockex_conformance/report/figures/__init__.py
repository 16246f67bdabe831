"""Figures that explain a verdict, and its wire log: pure functions of a recording."""

from mockex_conformance.report.figures.choosing import figures_of
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.style import STYLE
from mockex_conformance.report.figures.swimlane import legend
from mockex_conformance.report.figures.wire import WireLine, wire_log, wire_text

__all__ = ["STYLE", "Figure", "WireLine", "figures_of", "legend", "wire_log", "wire_text"]
