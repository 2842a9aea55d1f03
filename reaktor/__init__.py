"""The project. Its version stands here and nowhere else: pyproject.toml, /readyz, the admin and clusterctl read it."""

__version__ = "0.5.0"
