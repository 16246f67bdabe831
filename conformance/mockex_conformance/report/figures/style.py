"""How figures look: CSS rules of their classes, in the variables of the page."""

STYLE = ""
