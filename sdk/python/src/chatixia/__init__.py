"""chatixia: agents that talk to each other directly, over an encrypted peer-to-peer mesh."""

from chatixia.asyncio import Agent, BlockingContext, Context, MeshClient, RegistryClient
from chatixia.errors import (
    BacklogFull,
    BadRequest,
    ConnectFailed,
    DeadlineExceeded,
    MeshError,
    MessageTooLarge,
    NotConnected,
    PeerLost,
    RegistryError,
    SendBufferFull,
    SidecarBusy,
    SidecarGone,
    SkillFailed,
    TooLarge,
    UnknownPeer,
    UnknownSkill,
    Unreachable,
)
from chatixia.protocol.mesh import Message

__version__ = "0.5.0"

__all__ = [
    "Agent",
    "BacklogFull",
    "BadRequest",
    "BlockingContext",
    "ConnectFailed",
    "Context",
    "DeadlineExceeded",
    "MeshClient",
    "MeshError",
    "Message",
    "MessageTooLarge",
    "NotConnected",
    "PeerLost",
    "RegistryClient",
    "RegistryError",
    "SendBufferFull",
    "SidecarBusy",
    "SidecarGone",
    "SkillFailed",
    "TooLarge",
    "UnknownPeer",
    "UnknownSkill",
    "Unreachable",
]
