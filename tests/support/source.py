"""Python source as a tree, for tests that look at the code."""

import ast
import gc


def parsed(text: str, feature_version: tuple[int, int] | None = None) -> ast.Module:
    """Its tree. No garbage is collected meanwhile: a finalizer may parse as well (printing a traceback does), and an
    `ast.parse` with another one inside fails with a SystemError in Python 3.11."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text, feature_version=feature_version)
    finally:
        if enabled:
            gc.enable()
