"""The asyncio face: MeshClient for programs, Agent for skills."""

from chatixia.asyncio.agent import Agent
from chatixia.asyncio.client import MeshClient
from chatixia.asyncio.registry import RegistryClient
from chatixia.asyncio.sidecar import SidecarProcess
from chatixia.asyncio.skills import BlockingContext, Context

__all__ = ["Agent", "BlockingContext", "Context", "MeshClient", "RegistryClient", "SidecarProcess"]
