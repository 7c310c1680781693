"""The rule operators, one file each; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from rules.operators.base import OPERATORS

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["OPERATORS"]
