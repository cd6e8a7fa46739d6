"""The golden texts that every implementation reads, with the meaning all of them must find."""

import base64
import json
import unittest
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatixia.errors import ERROR_TEXTS, MeshError
from chatixia.protocol import ipc, mesh, strict_json

VECTORS = Path(__file__).resolve().parents[3] / "tests" / "vectors"

Reader = Callable[[bytes], Any]


def of_payload(parse: Callable[[dict[str, Any]], Any]) -> Reader:
    return lambda text: parse(strict_json.parse_object(text))


READERS: dict[str, Reader] = {
    "json": strict_json.parse,
    "message": mesh.Message.parse,
    "event": ipc.parse_event,
    "task_request": of_payload(mesh.TaskRequest.parse),
    "task_response": of_payload(mesh.TaskResponse.parse),
    "stream_chunk": of_payload(mesh.StreamChunk.parse),
    "skill_query": of_payload(mesh.SkillQuery.parse),
    "skill_response": of_payload(mesh.SkillResponse.parse),
    "agent_status": of_payload(mesh.AgentStatus.parse),
    "agent_prompt": of_payload(mesh.AgentPrompt.parse),
    "agent_response": of_payload(mesh.AgentResponse.parse),
}


def load(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())
    return vectors


def text_of(vector: dict[str, Any]) -> bytes:
    if "text_base64" in vector:
        return base64.b64decode(vector["text_base64"])
    if "generate" in vector:
        return "".join(text * count for text, count in vector["generate"]).encode()
    return str(vector["text"]).encode()


def canonical_of(vector: dict[str, Any]) -> Any:
    return json.loads(vector.get("canonical", vector["text"]))


def event_fields(event: ipc.Event) -> dict[str, Any]:
    """An event as the vectors show it: type and id beside the members of the payload."""
    body = event.body
    fields: dict[str, Any] = {"id": event.id}
    match body:
        case ipc.MessageEvent(peer, message):
            fields |= {"type": "message", "from_peer": peer, "message": message.to_json()}
        case ipc.StatusEvent(status):
            fields |= {"type": "status", "status": status}
        case ipc.UnknownEvent():
            fields |= asdict(body)
        case ipc.PeerListEvent(peers):
            fields |= {"type": "peer_list", "peers": list(peers)}
        case _:
            names = {
                ipc.PeerConnected: "peer_connected",
                ipc.PeerDisconnected: "peer_disconnected",
                ipc.RegistryConnected: "registry_connected",
                ipc.Ok: "ok",
                ipc.ErrorEvent: "error",
            }
            fields |= {"type": names[type(body)]} | asdict(body)
    return fields


def command_of(value: dict[str, Any]) -> ipc.Command:
    match value["type"]:
        case "send":
            return ipc.Send(value["target_peer"], mesh.Message.from_json(value["message"]))
        case "broadcast":
            return ipc.Broadcast(mesh.Message.from_json(value["message"]))
        case "connect":
            return ipc.Connect(value["target_peer_id"])
        case "list_peers":
            return ipc.ListPeers()
        case _:
            return ipc.Status()


def with_full_message(line: dict[str, Any]) -> dict[str, Any]:
    """This package prints every member of a message; a vector may leave empty ones out."""
    message = line.get("payload", {}).get("message")
    if message is not None:
        line["payload"]["message"] = mesh.Message.from_json(message).to_json()
    return line


class Vectors(unittest.TestCase):
    def each(self, name: str, *kinds: str) -> Iterator[dict[str, Any]]:
        chosen = [vector for vector in load(name) if vector["kind"] in kinds]
        self.assertEqual({vector["kind"] for vector in chosen}, set(kinds))
        for vector in chosen:
            with self.subTest(vector["name"]):
                yield vector

    def test_mesh_messages_are_read_and_printed_as_agreed(self) -> None:
        kinds = READERS.keys() - {"json", "event"}
        for vector in self.each("mesh_messages.json", *kinds):
            value = READERS[vector["kind"]](text_of(vector))
            self.assertEqual(asdict(value), vector["value"])
            printed = value.to_json() if isinstance(value, mesh.Message) else value.encode()
            self.assertEqual(printed, canonical_of(vector))

    def test_events_are_read_as_agreed(self) -> None:
        for vector in self.each("ipc.json", "event"):
            expected = dict(vector["value"])
            if expected["type"] == "status":
                payload = json.loads(vector["text"])["payload"]
                expected = {"type": "status", "id": expected["id"], "status": payload}
            self.assertEqual(event_fields(ipc.parse_event(text_of(vector))), expected)

    def test_commands_are_printed_as_agreed(self) -> None:
        for vector in self.each("ipc.json", "command"):
            value = vector["value"]
            if value.get("message") == {}:
                continue  # this package sends no message without a type
            line = command_of(value).encode(value["id"])
            self.assertEqual(json.loads(line), with_full_message(canonical_of(vector)))

    def test_what_must_be_refused_is_refused(self) -> None:
        refused = 0
        for vector in load("invalid.json"):
            reader = READERS.get(vector["kind"])
            if reader is None:
                continue  # of the sidecar or the registry, which this package never reads
            refused += 1
            with self.subTest(vector["name"]), self.assertRaises(MeshError):
                reader(text_of(vector))
        self.assertGreater(refused, 50)

    def test_the_error_table_is_the_agreed_one(self) -> None:
        expected = {row["code"]: (row["message"], row["hint"]) for row in load("errors.json")}
        self.assertEqual({code: tuple(text) for code, text in ERROR_TEXTS.items()}, expected)


if __name__ == "__main__":
    unittest.main()
