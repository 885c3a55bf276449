"""Writes a picture as a file of its own: `cd docs/_extensions && python -m pictures overview ../overview.svg`."""

import sys
from pathlib import Path

import pictures

name, target = sys.argv[1:]
Path(target).write_text(pictures.standalone(name), encoding="utf-8")
