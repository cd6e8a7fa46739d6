"""What strangers and mistakes send: a clear error, bounded memory, and nobody else notices."""

import json
import os
import re
import socket
import struct
import time
import unittest
from pathlib import Path
from typing import Any

from framework import http
from framework.case import World
from framework.ipc import IpcClient
from framework.patience import PATIENCE, eventually
from framework.proxy import SignalingProxy
from framework.tokens import claims_of, make_token
from framework.websocket import BINARY, TEXT, Refused, WebSocket

LINE_BYTES_MAX = 272 * 1024
MESSAGE_BYTES_MAX = 256 * 1024
# Sanitizers keep what was freed for a while, so their figures say nothing about us.
IS_SANITIZED = "CHATIXIA_E2E_SANITIZED" in os.environ
GROWTH_KIB_MAX = 1 << 30 if IS_SANITIZED else 32 * 1024

DEEP = b"[" * 100_000
NOT_UTF8 = b"\xff\xfe\xc0\xaf"


class AgentSocket(World):
    """The Unix socket: the agent is trusted with its own traffic and with nothing else."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()
        self.alice, self.bob = self.start_pair()

    def tearDown(self) -> None:
        self.assert_talking(self.alice, self.bob, ("alice", "bob"))

    def refused(self, line: bytes, code: str) -> dict[str, Any]:
        mark = len(self.alice.events)
        self.alice.write(line)
        error = self.alice.wait_error(code, after=mark)
        self.assertTrue(error["message"])
        return error

    def test_lines_that_are_no_command(self) -> None:
        for line in (
            b"\x00",
            b"hello",
            b'{"type":"send","payload":',
            b'{"type":"send","payload":{"target_peer":"bob","message":{"type":"'
            + NOT_UTF8
            + b'"}}}',
            b'{"type":"broadcast","payload":{"message":' + DEEP + b"}}",
            b'{"type":"broadcast","payload":{"message":"text"}}',
            b'{"type":"send","payload":{"target_peer":["bob"],"message":{}}}',
            b'{"type":"send","type":"status","payload":{}}',
            b"[]",
        ):
            with self.subTest(line=line[:60]):
                self.refused(line + b"\n", "bad_request")
        error = self.refused(b'{"type":"dance","id":"7","payload":{}}\n', "unknown_command")
        self.assertIn("dance", error["message"])
        last = self.alice.events[-1]
        self.assertEqual((last["type"], last["id"]), ("error", "7"))

    def test_a_message_and_a_line_above_their_limits(self) -> None:
        answer = self.alice.send("bob", {"type": "big", "payload": {"x": "x" * MESSAGE_BYTES_MAX}})
        self.assertEqual(answer["payload"]["code"], "message_too_large")
        self.assertTrue(answer["payload"]["hint"])
        self.refused(b"x" * (LINE_BYTES_MAX + 1) + b"\n", "too_large")

    def test_a_message_of_the_full_size_arrives(self) -> None:
        message = {"type": "big", "payload": {"x": ""}}
        message["payload"] = {"x": "x" * (MESSAGE_BYTES_MAX - len(json.dumps(message)))}
        self.assertEqual(len(json.dumps(message)), MESSAGE_BYTES_MAX)
        self.assertEqual(self.alice.send("bob", message)["type"], "ok")
        self.assertEqual(self.bob.wait_message("big")["message"], message)

    def test_a_line_without_end_costs_no_memory(self) -> None:
        before = self.alice_sidecar.memory_kib()
        for _ in range(64):
            self.alice.write(b"x" * (1 << 20))
        self.alice.write(b"\n")
        self.alice.wait_error("too_large")
        self.assertLess(self.alice_sidecar.memory_kib() - before, GROWTH_KIB_MAX)

    def test_a_line_that_is_cut_off_by_the_end(self) -> None:
        self.alice.write(b'{"type":"broadcast","payload":{"message":{"type":"half')
        self.alice.close()
        self.alice = self.connect(self.alice_sidecar)
        # The link was kept meanwhile, and the returning agent is told.
        self.alice.wait_event("peer_connected", "bob")
        heard = [event for event in self.bob.events if event["type"] == "message"]
        self.assertEqual(heard, [])

    def test_a_second_agent_is_turned_away(self) -> None:
        with self.alice_sidecar.connect() as second:
            error = second.wait_error("sidecar_busy")
            self.assertTrue(error["hint"])
            second.wait_closed()
        with self.alice_sidecar.connect() as third:
            third.wait_error("sidecar_busy")

    def test_a_target_that_is_not_on_the_mesh(self) -> None:
        answer = self.alice.send("nobody", {"type": "note"})
        self.assertEqual(answer["payload"]["code"], "unknown_peer")
        self.assertEqual(answer["payload"]["target_peer"], "nobody")
        answer = self.alice.ask("connect", {"target_peer_id": "nobody"})
        self.assertEqual(answer["payload"]["code"], "unknown_peer")
        mark = len(self.alice.events)
        message = {"target_peer": "nobody", "message": {"type": "note"}}
        self.alice.tell("send", message)  # without an id, as 0.4 does
        self.assertEqual(self.alice.wait_error("unknown_peer", after=mark)["target_peer"], "nobody")

    def test_ten_thousand_messages_for_a_peer_that_does_not_answer(self) -> None:
        self.raw_peer("ghost")
        before = self.alice_sidecar.memory_kib()
        mark = len(self.alice.events)
        padding = "x" * 1000
        lines = [
            json.dumps(
                {
                    "type": "send",
                    "id": f"n{number}",
                    "payload": {
                        "target_peer": "ghost",
                        "message": {"type": "note", "payload": {"x": padding}},
                    },
                }
            ).encode()
            for number in range(10_000)
        ]
        self.alice.write(b"\n".join(lines) + b"\n")
        self.alice.wait_error("send_buffer_full", after=mark)
        # While the link is being made, everything else goes on.
        self.assert_talking(self.alice, self.bob, ("alice", "bob"))
        self.assertLess(self.alice_sidecar.memory_kib() - before, GROWTH_KIB_MAX)

        def answers() -> dict[str, str] | None:
            found = {
                event["id"]: event["payload"].get("code", "ok")
                for event in self.alice.events[mark:]
                if event.get("id", "").startswith("n")
            }
            return found if len(found) == len(lines) else None

        # The first of them wait for the link and fail with it; the others fail at once.
        codes = eventually("every send has its answer", answers, 2 * PATIENCE)
        counts = {code: list(codes.values()).count(code) for code in set(codes.values())}
        self.assertEqual(counts.keys(), {"send_buffer_full", "connect_failed"})
        self.assertLessEqual(counts["connect_failed"], 256)
        self.assertLess(self.alice_sidecar.memory_kib() - before, GROWTH_KIB_MAX)

    def test_an_agent_hears_no_answer_to_the_one_before(self) -> None:
        ghost = self.raw_peer("ghost")  # answers no offer
        message = {"type": "note", "payload": {}}
        self.alice.tell("connect", {"target_peer_id": "ghost"}, "n1")
        self.alice.tell("send", {"target_peer": "ghost", "message": message}, "n2")
        self.alice.status()
        self.alice.close()
        self.alice = self.connect(self.alice_sidecar)
        ghost.drop()
        self.alice.wait(
            lambda event: event["payload"].get("target_peer") == "ghost",
            "the failed send",
            2 * PATIENCE,
        )
        self.alice.status()
        ids = {event.get("id") for event in self.alice.events}
        self.assertFalse(ids & {"n1", "n2"}, self.alice.events)

    def test_an_agent_that_does_not_read_is_bounded(self) -> None:
        before = self.bob_sidecar.memory_kib()
        self.bob.close()
        silent = socket.socket(socket.AF_UNIX)
        self.addCleanup(silent.close)
        silent.connect(str(self.bob_sidecar.socket_path))
        message = {"type": "flood", "payload": {"x": "x" * 200_000}}
        for _ in range(200):  # 40 MB; a full link says so, and the message is sent again
            eventually("taken", lambda: self.alice.send("bob", message)["type"] == "ok")
        self.assertLess(self.bob_sidecar.memory_kib() - before, 2 * GROWTH_KIB_MAX)
        silent.close()

        def returned() -> IpcClient | None:
            client = self.connect(self.bob_sidecar)
            client.wait(lambda _: True)
            if client.events[0]["payload"].get("code") == "sidecar_busy":
                return None
            return client

        self.bob = eventually("the agent can come back", returned)
        self.bob.wait_error("backlog_full")


def changed_since(path: Path, moment: int) -> bool:
    return path.exists() and path.stat().st_ctime_ns != moment


class SocketPath(World):
    """What squats on the socket's path is never followed, replaced or removed."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()
        self.path = self.folder / "alice.sock"

    def assert_refuses_to_start(self) -> None:
        sidecar = self.launch_sidecar("alice")
        self.assertNotEqual(sidecar.wait(), 0)
        self.assertIn(str(self.path), sidecar.log())

    def test_a_regular_file(self) -> None:
        self.path.write_text("precious")
        self.assert_refuses_to_start()
        self.assertEqual(self.path.read_text(), "precious")

    def test_a_symlink_to_a_file(self) -> None:
        precious = self.folder / "precious"
        precious.write_text("precious")
        self.path.symlink_to(precious)
        self.assert_refuses_to_start()
        self.assertEqual(precious.read_text(), "precious")
        self.assertTrue(self.path.is_symlink())

    def test_a_symlink_to_nothing(self) -> None:
        target = self.folder / "elsewhere.sock"
        self.path.symlink_to(target)
        self.assert_refuses_to_start()
        self.assertFalse(target.exists())

    def test_a_socket_at_which_somebody_answers(self) -> None:
        with socket.socket(socket.AF_UNIX) as foreign:
            foreign.bind(str(self.path))
            foreign.listen()
            self.assert_refuses_to_start()
            with socket.socket(socket.AF_UNIX) as visitor:
                visitor.connect(str(self.path))  # it still belongs to its owner

    def test_a_socket_that_a_dead_process_left_behind_is_taken_over(self) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.path))
            dead.listen()
        left = self.path.stat().st_ctime_ns
        sidecar = self.launch_sidecar("alice")
        eventually("the path is taken over", lambda: changed_since(self.path, left))
        with sidecar.connect() as client:
            client.status()

    def test_only_its_user_may_connect_and_nothing_is_left(self) -> None:
        sidecar = self.start_sidecar("alice")
        self.assertEqual(os.stat(sidecar.socket_path).st_mode & 0o777, 0o600)
        sidecar.terminate()
        self.assertFalse(sidecar.socket_path.exists())


class SignalingSocket(World):
    """The registry's WebSocket."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()
        self.good, self.other = self.raw_peer("good"), self.raw_peer("other")
        self.evil = self.raw_peer("evil")

    def tearDown(self) -> None:
        envelope = {"type": "offer", "peer_id": "good", "target_id": "other", "payload": {}}
        self.good.send(envelope)
        self.assertEqual(self.other.receive(), envelope)

    def refusal(self) -> dict[str, Any]:
        answer = self.evil.receive()
        self.assertEqual((answer["type"], answer["peer_id"]), ("error", "registry"), answer)
        self.assertTrue(answer["payload"]["message"])
        payload: dict[str, Any] = answer["payload"]
        return payload

    def test_frames_that_are_no_envelope(self) -> None:
        for text in (
            b"",
            b"hello",
            b'{"type":"offer","peer_id":"evil"',
            b'{"type":"offer","peer_id":"evil","target_id":"good","payload":{"sdp":"' + b"x" * 100,
            b'{"type":"heartbeat","peer_id":"evil","payload":' + b"[" * 1000 + b"]" * 1000 + b"}",
            b"[1,2,3]",
            b'{"type":7,"peer_id":"evil"}',
        ):
            with self.subTest(text=text[:60]):
                self.evil.send_frame(TEXT, text)
                self.assertEqual(self.refusal()["code"], "bad_request")

    def test_an_unknown_type_and_an_unknown_target(self) -> None:
        self.evil.send({"type": "dance", "peer_id": "evil", "payload": {}})
        self.assertEqual(self.refusal()["code"], "unknown_command")
        self.evil.send({"type": "offer", "peer_id": "evil", "target_id": "nobody", "payload": {}})
        refusal = self.refusal()
        self.assertEqual((refusal["code"], refusal["target_id"]), ("unknown_peer", "nobody"))

    def test_an_envelope_in_the_name_of_another(self) -> None:
        forged = {"type": "offer", "peer_id": "other", "target_id": "good", "payload": {"sdp": ""}}
        self.evil.send(forged)
        self.assertEqual(self.refusal()["code"], "forbidden")
        honest = {**forged, "peer_id": "evil"}
        self.evil.send(honest)
        # What arrives first is the honest one: the forged one was dropped.
        self.assertEqual(self.good.receive(), honest)

    def test_frames_that_end_the_connection(self) -> None:
        for name, first_byte, data, codes in (
            ("not UTF-8", None, NOT_UTF8, {1007}),
            ("too large", None, b"x" * (64 * 1024 + 1), {1009}),
            ("reserved bits", 0xF1, b"{}", {1002}),
            ("a control frame in pieces", 0x09, b"x", {1002}),
            ("an opcode nobody knows", 0x83, b"x", {1002}),
            ("a continuation of nothing", 0x80, b"x", {1002}),
        ):
            with self.subTest(name):
                evil = self.raw_peer("evil")
                evil.send_frame(TEXT, data, first_byte)
                close = evil.receive_close()
                self.assertIn(close.close_code if close else None, codes)

    def test_a_binary_frame_is_no_envelope(self) -> None:
        self.evil.send_frame(BINARY, b'{"type":"heartbeat","peer_id":"evil"}')
        frame = self.evil.receive_frame()
        self.assertTrue(frame is None or frame.opcode == 8 or b"bad_request" in frame.data, frame)

    def test_a_length_that_nobody_could_hold(self) -> None:
        before = self.registry.memory_kib()
        for length in (2**63 - 1, 2**64 - 1, 1 << 40):
            evil = self.raw_peer("evil")
            evil.socket.sendall(struct.pack("!BBQ", 0x81, 0xFF, length) + bytes(4) + b"x" * 1000)
            evil.receive_close()
        self.assertLess(self.registry.memory_kib() - before, GROWTH_KIB_MAX)

    def test_a_frame_that_is_cut_off(self) -> None:
        self.evil.socket.sendall(struct.pack("!BBH", 0x81, 0xFE, 1000) + bytes(4) + b"{")
        self.evil.drop()

    def test_a_peer_that_floods_and_one_that_does_not_read(self) -> None:
        before = self.registry.memory_kib()
        envelope = {"type": "offer", "peer_id": "evil", "target_id": "other"}
        data = json.dumps({**envelope, "payload": {"sdp": "x" * 60_000}}).encode()
        try:
            for _ in range(3000):  # 180 MB, to a peer that reads none of it
                self.evil.send_frame(TEXT, data)
        except OSError:
            pass  # it was cut off
        self.assertLess(self.registry.memory_kib() - before, GROWTH_KIB_MAX)
        self.other.drop()
        self.other = self.raw_peer("other")

    def test_tokens_that_are_not_the_registrys(self) -> None:
        token = self.token("one")
        claims = claims_of(token)
        secret = self.registry.secret()
        now = int(time.time())
        header, payload, signature = token.split(".")
        # The forger knows the form, so that each refusal below has its own reason.
        WebSocket.connect(self.registry.websocket_url, make_token(secret, claims)).drop()
        for name, bad in {
            "none": "",
            "not three parts": "a.b",
            "cut": token[:-4],
            "another payload": ".".join(
                (header, make_token(secret, claims | {"sub": "x"}).split(".")[1], signature)
            ),
            "another secret": make_token(b"x" * 32, claims),
            "no algorithm": make_token(secret, claims, {"alg": "none", "typ": "JWT"}),
            "unsigned": f"{header}.{payload}.",
            "expired": make_token(secret, claims | {"iat": now - 400, "exp": now - 100}),
            "from the future": make_token(secret, claims | {"iat": now + 9000, "exp": now + 9300}),
            "for ever": make_token(secret, claims | {"exp": now + 10**9}),
            "for nobody": make_token(secret, {"role": "agent", "iat": now, "exp": now + 300}),
            "of no role": make_token(secret, claims | {"role": "king"}),
            "huge": make_token(secret, claims | {"x": "x" * 10_000}),
        }.items():
            for in_query in (True, False):
                with self.subTest(name, in_query=in_query), self.assertRaises(Refused) as caught:
                    WebSocket.connect(self.registry.websocket_url, bad, in_query)
                self.assertIn(caught.exception.status, (401, 431) if name == "huge" else (401,))
                self.assertNotIn(bad.encode() or b"\0", caught.exception.body)


class HttpSocket(World):
    """The registry's HTTP API."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()
        self.key = self.registry.key("good")
        self.token("good", self.key)

    def tearDown(self) -> None:
        beat = {"agent_id": "good", "skill_names": ["dig"]}
        self.assertEqual(self.call("POST", "/api/hub/heartbeat", beat, key=self.key).status, 200)
        self.assertEqual(self.call("GET", "/api/registry/route?skill=dig").status, 200)

    def assert_refused(self, answer: http.Answer, status: int, code: str) -> None:
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.body["code"], code)
        self.assertTrue(answer.body["error"])

    def test_bodies_that_are_no_request(self) -> None:
        for body in (
            b"",
            b"hello",
            b'{"agent_id":"good"',
            b'{"agent_id":"' + NOT_UTF8 + b'"}',
            b'{"agent_id":"good","x":' + DEEP + b"}",
            b'{"agent_id":"good","agent_id":"evil"}',
            b"[]",
            b"{}",
            b'{"agent_id":7}',
            b'{"agent_id":"' + b"x" * 257 + b'"}',
        ):
            with self.subTest(body=body[:60]):
                answer = self.call("POST", "/api/hub/heartbeat", body, key=self.key)
                self.assertIn(answer.body["code"], ("bad_request", "too_large"))
                self.assertIn(answer.status, (400, 413))

    def test_a_body_above_its_limit(self) -> None:
        before = self.registry.memory_kib()
        head = b"POST /api/hub/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for size in ((1 << 20) + 1, 1 << 30, 1 << 62):
            with self.subTest(size=size):
                answer = http.raw(
                    self.registry.url, head + b"Content-Length: %d\r\n\r\n" % size + b"x" * 100_000
                )
                self.assertEqual(http.status_of(answer), 413)
        chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
        answer = http.raw(
            self.registry.url, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 400
        )
        self.assertEqual(http.status_of(answer), 413)
        self.assertLess(self.registry.memory_kib() - before, GROWTH_KIB_MAX)

    def test_places_that_are_none(self) -> None:
        self.assert_refused(self.call("GET", "/api/nothing"), 404, "not_found")
        self.assert_refused(self.call("PUT", "/api/hub/tasks"), 405, "method_not_allowed")
        self.assert_refused(self.call("GET", "/api/hub/tasks/%00%ff"), 400, "bad_request")
        self.assert_refused(self.call("GET", "/../../etc/passwd"), 404, "not_found")

    def test_requests_that_are_no_http(self) -> None:
        host = b"Host: 127.0.0.1\r\n"
        for data in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"Bad Header: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n" * 20_000 + b"\r\n",
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
            b"POST /api/hub/tasks HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n",
            b"POST /api/hub/tasks HTTP/1.1\r\n"
            + host
            + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            b"POST /api/hub/tasks HTTP/1.1\r\n"
            + host
            + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            with self.subTest(data=data[:60]):
                status = http.status_of(http.raw(self.registry.url, data))
                self.assertIn(status, (0, 400, 413, 414, 431, 505))

    def test_a_request_that_is_cut_off(self) -> None:
        before = self.registry.open_files()
        for data in (
            b"POST /api/hub/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
            b"GET / HT",
        ):
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", self.registry.port)) as connection:
                    connection.sendall(data)
        eventually("the registry forgets them", lambda: self.registry.open_files() <= before + 1)

    def test_keys_that_are_not_the_registrys(self) -> None:
        for key in ("ak_nobody", self.key + "x", self.key[:-1], "' or 1=1", "x" * 5000):
            with self.subTest(key=key[:20]):
                for method, path in (
                    ("POST", "/api/token"),
                    ("POST", "/api/hub/heartbeat"),
                    ("GET", "/api/registry/agents"),
                ):
                    answer = self.call(method, path, {"agent_id": "good"}, key=key)
                    self.assert_refused(answer, 401, "unauthorized")
        answer = self.call("POST", "/api/hub/heartbeat", {"agent_id": "good"})
        self.assert_refused(answer, 401, "unauthorized")

    def test_an_agent_in_the_name_of_another(self) -> None:
        self.tearDown()
        evil = self.registry.key("evil")
        self.token("evil", evil)
        answer = self.call("POST", "/api/hub/heartbeat", {"agent_id": "good"}, key=evil)
        self.assertIn(answer.status, (403, 409))
        answer = self.call("DELETE", "/api/registry/agents/good", key=evil)
        self.assertEqual(answer.status, 403, answer)


class Fingerprint(World):
    """A registry, or whoever sits before it, cannot put itself between two peers unnoticed."""

    def test_the_one_who_hears_a_false_fingerprint_refuses_the_link(self) -> None:
        self.assert_link_fails("bob", "fingerprint")

    def test_the_one_whose_fingerprint_was_changed_is_told(self) -> None:
        self.assert_link_fails("alice", "certificate")

    def assert_link_fails(self, speaker: str, reason: str) -> None:
        """Alice is behind the proxy, which changes what `speaker` says."""
        self.start_registry()
        changed: list[str] = []

        def change(envelope: dict[str, Any]) -> dict[str, Any]:
            if envelope["type"] in ("offer", "answer") and envelope["peer_id"] == speaker:
                sdp = envelope["payload"]["sdp"]
                match = re.search(r"a=fingerprint:sha-256 (\w\w)", sdp)
                assert match
                other = "00" if match[1] != "00" else "01"
                start, end = match.span(1)
                envelope["payload"]["sdp"] = sdp[:start] + other + sdp[end:]
                changed.append(envelope["type"])
            return envelope

        proxy = SignalingProxy(self.registry.websocket_url, change)
        self.addCleanup(proxy.close)
        _, alice = self.start_peer("alice", SIGNALING_URL=proxy.url)
        _, bob = self.start_peer("bob")
        _, carol = self.start_peer("carol")
        answer = alice.ask("connect", {"target_peer_id": "bob"}, 2 * PATIENCE)
        self.assertEqual(answer["payload"]["code"], "connect_failed")
        self.assertIn(reason, answer["payload"]["message"])
        self.assertTrue(changed)
        carol.wait_event("peer_connected", "bob")
        self.assert_talking(bob, carol, ("bob", "carol"))
        for client, peer in ((alice, "bob"), (bob, "alice")):
            connected = [
                event
                for event in client.events
                if event["type"] == "peer_connected" and event["payload"]["peer_id"] == peer
            ]
            self.assertEqual(connected, [])


if __name__ == "__main__":
    unittest.main()
