"""Names the modules that import each other in a circle, and fails if there are any. Run by `make lint`.

Used as `python scripts/import_circles.py PACKAGE...`, in the directory that holds the packages. Every import counts,
also those for the type checker alone and those inside functions. They hide a circle from the interpreter, but a reader
still has to understand all of its files as one thing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import grimp


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """The groups of modules in which each imports each, directly or through others: names in order, none twice."""
    above = {module: graph.find_upstream_modules(module) for module in graph.modules}
    groups = {frozenset({here, *(other for other in above[here] if here in above[other])}) for here in above}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def imports_within(graph: grimp.ImportGraph, circle: list[str]) -> Iterator[str]:
    """One line of text for each import that belongs to the circle: who, whom, in which line, by which statement."""
    for importer in circle:
        for imported in sorted(graph.find_modules_directly_imported_by(importer) & set(circle)):
            for found in graph.get_import_details(importer=importer, imported=imported):
                yield f"{importer} imports {imported} in line {found['line_number']}: {found['line_contents']}"


def main(packages: list[str]) -> int:
    """Print every circle with its modules and its imports. Returns the exit code: 1 when there is a circle."""
    sys.path.insert(0, os.getcwd())
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    found = circles(graph)
    for circle in found:
        sys.stdout.write(f"Import circle: {', '.join(circle)}\n")
        sys.stdout.writelines(f"  {line}\n" for line in imports_within(graph, circle))
    if not found:
        sys.stdout.write(f"No import circle in {len(graph.modules)} modules.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
