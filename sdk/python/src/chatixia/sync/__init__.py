"""The blocking face: the same client for programs without an event loop."""

from chatixia.sync.client import MeshClient

__all__ = ["MeshClient"]
