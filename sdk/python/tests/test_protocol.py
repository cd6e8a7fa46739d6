"""The wire formats alone: what is taken, what is refused, and with which words."""

import json
import unittest

from chatixia import limits
from chatixia.errors import (
    BadRequest,
    DeadlineExceeded,
    MeshError,
    MessageTooLarge,
    NotConnected,
    TooLarge,
    Unreachable,
    make_error,
)
from chatixia.protocol import ipc, mesh, strict_json
from chatixia.protocol.lines import LineDecoder, LineTooLong
from chatixia.protocol.pending import PendingRequests


class StrictJson(unittest.TestCase):
    def test_refuses_what_other_readers_would_refuse_or_read_differently(self) -> None:
        for text in (
            b"",
            b"{",
            b"{}{}",
            b'{"a":1,"a":2}',
            b'{"a":NaN}',
            b'{"a":Infinity}',
            b'{"a":1e999}',
            b'{"a":' + b"9" * 400 + b"}",
            b'{"a":"\xff"}',
            b'{"a":"\xed\xa0\x80"}',
            b'{"a":"\\ud800"}',
            b'{"\\udfff":1}',
            b'{"a":"line\nbreak"}',
            b"\xef\xbb\xbf{}",
            '{"a":1}'.encode("utf-16"),
        ):
            with self.subTest(text=text), self.assertRaises(BadRequest):
                strict_json.parse(text)

    def test_takes_nesting_up_to_the_limit_and_no_deeper(self) -> None:
        def nested(depth: int) -> bytes:
            return b"[" * depth + b"]" * depth

        strict_json.parse(nested(limits.JSON_DEPTH_MAX))
        for depth in (limits.JSON_DEPTH_MAX + 1, 2_000, 100_000):
            with self.subTest(depth=depth), self.assertRaises(BadRequest):
                strict_json.parse(nested(depth))

    def test_refuses_a_text_above_its_size(self) -> None:
        with self.assertRaises(TooLarge):
            strict_json.parse(b'"1234"', bytes_max=5)

    def test_keeps_numbers_and_unicode_as_they_are(self) -> None:
        text = '{"a":[1,-2.5,18446744073709551615,"é😀"]}'.encode()
        self.assertEqual(strict_json.encode(strict_json.parse(text)), text)

    def test_refuses_to_write_what_it_would_not_read(self) -> None:
        for value in ({"a": float("nan")}, {"a": b"bytes"}, {"a": "\ud800"}):
            with self.subTest(value=value), self.assertRaises(BadRequest):
                strict_json.encode(value)


class Messages(unittest.TestCase):
    def test_all_but_the_type_default_to_empty(self) -> None:
        self.assertEqual(mesh.Message.parse(b'{"type":"ping"}'), mesh.Message("ping"))
        self.assertEqual(
            mesh.Message.parse(b'{"type":"ping","request_id":null,"payload":null,"new":1}'),
            mesh.Message("ping"),
        )

    def test_refuses_members_of_the_wrong_kind(self) -> None:
        for text in (
            b"[]",
            b"{}",
            b'{"type":7}',
            b'{"type":"ping","request_id":1}',
            b'{"type":"ping","payload":[]}',
            b'{"type":"' + b"x" * 257 + b'"}',
        ):
            with self.subTest(text=text), self.assertRaises(BadRequest):
                mesh.Message.parse(text)

    def test_a_message_above_its_size_is_neither_read_nor_written(self) -> None:
        message = mesh.Message("x", payload={"text": "x" * limits.MESSAGE_BYTES_MAX})
        with self.assertRaises(MessageTooLarge):
            message.encode()
        with self.assertRaises(TooLarge):
            mesh.Message.parse(strict_json.encode(message.to_json()))

    def test_a_task_request_of_0_4_has_its_arguments_beside_the_skill(self) -> None:
        task = mesh.TaskRequest.parse({"skill": "echo", "message": "hello", "timeout_ms": 50})
        self.assertEqual(task, mesh.TaskRequest("echo", {"message": "hello"}, 50))

    def test_a_task_response_of_0_4_has_both_keys_and_one_is_empty(self) -> None:
        self.assertEqual(
            mesh.TaskResponse.parse({"result": "fine", "error": ""}), mesh.TaskResponse("fine")
        )
        self.assertEqual(
            mesh.TaskResponse.parse({"result": "", "error": "broken"}),
            mesh.TaskResponse(error="broken"),
        )

    def test_a_prompt_of_0_4_calls_its_text_message(self) -> None:
        self.assertEqual(
            mesh.AgentPrompt.parse({"message": "hello", "broadcast": True}),
            mesh.AgentPrompt("hello", broadcast=True),
        )


class IpcLines(unittest.TestCase):
    def test_a_command_is_one_line_with_its_id(self) -> None:
        line = ipc.Send("bob", mesh.Message("ping", "r1")).encode("7")
        self.assertTrue(line.endswith(b"\n"))
        self.assertEqual(line.count(b"\n"), 1)
        parsed = json.loads(line)
        self.assertEqual((parsed["type"], parsed["id"]), ("send", "7"))
        self.assertEqual(parsed["payload"]["target_peer"], "bob")
        self.assertEqual(parsed["payload"]["message"]["request_id"], "r1")

    def test_a_peer_id_cannot_break_out_of_its_line(self) -> None:
        line = ipc.Connect('b"\n{}').encode()
        self.assertEqual(line.count(b"\n"), 1)
        self.assertEqual(json.loads(line)["payload"], {"target_peer_id": 'b"\n{}'})

    def test_an_unknown_event_is_kept_by_its_name(self) -> None:
        event = ipc.parse_event(b'{"type":"weather","payload":{"sun":1}}')
        self.assertEqual(event, ipc.Event(ipc.UnknownEvent("weather")))

    def test_events_of_0_4_have_neither_link_nor_reason(self) -> None:
        self.assertEqual(
            ipc.parse_event(b'{"type":"peer_connected","payload":{"peer_id":"a"}}').body,
            ipc.PeerConnected("a"),
        )
        self.assertEqual(
            ipc.parse_event(b'{"type":"peer_disconnected","payload":{"peer_id":"a"}}').body,
            ipc.PeerDisconnected("a"),
        )

    def test_refuses_lines_that_name_no_peer_or_hold_no_message(self) -> None:
        for line in (
            b"not json",
            b"[]",
            b'{"payload":{}}',
            b'{"type":"peer_connected"}',
            b'{"type":"registry_connected"}',
            b'{"type":"message","payload":{"from_peer":"a"}}',
            b'{"type":"message","payload":{"message":{"type":"ping"}}}',
            b'{"type":"message","payload":{"from_peer":"a","message":[]}}',
            b'{"type":"peer_list","payload":{"peers":[1]}}',
            b'{"type":"error","payload":{}}',
        ):
            with self.subTest(line=line), self.assertRaises(BadRequest):
                ipc.parse_event(line)


class Lines(unittest.TestCase):
    def test_gives_the_same_lines_however_the_bytes_arrive(self) -> None:
        stream = b"one\n\ntwo\nthree\nfour"
        for size in range(1, len(stream) + 1):
            decoder = LineDecoder(bytes_max=5)
            lines = [
                line
                for start in range(0, len(stream), size)
                for line in decoder.feed(stream[start : start + size])
            ]
            with self.subTest(size=size):
                self.assertEqual(lines, [b"one", b"two", b"three"])

    def test_drops_a_line_that_is_too_long_and_goes_on(self) -> None:
        for size in (1, 4, 100):
            decoder = LineDecoder(bytes_max=5)
            stream = b"ab\n1234567890\ncd\n12345\n"
            lines = [
                line
                for start in range(0, len(stream), size)
                for line in decoder.feed(stream[start : start + size])
            ]
            with self.subTest(size=size):
                self.assertEqual(lines, [b"ab", LineTooLong(5), b"cd", b"12345"])


class Pending(unittest.TestCase):
    def test_an_answer_closes_its_request_and_a_duplicate_matches_nothing(self) -> None:
        pending: PendingRequests[str] = PendingRequests()
        pending.add("r1", "bob", "waiter")
        chunk = mesh.Message(mesh.TASK_STREAM_CHUNK, "r1")
        answer = mesh.Message(mesh.TASK_RESPONSE, "r1")
        self.assertEqual(pending.match("bob", chunk), "waiter")
        self.assertEqual(pending.match("bob", answer), "waiter")
        self.assertIsNone(pending.match("bob", answer))
        self.assertIsNone(pending.match("bob", chunk))

    def test_only_the_peer_that_was_asked_can_answer(self) -> None:
        pending: PendingRequests[str] = PendingRequests()
        pending.add("r1", "bob", "waiter")
        self.assertIsNone(pending.match("mallory", mesh.Message(mesh.TASK_RESPONSE, "r1")))
        self.assertEqual(len(pending), 1)

    def test_a_question_answers_nothing_even_with_the_id_of_another(self) -> None:
        pending: PendingRequests[str] = PendingRequests()
        pending.add("r1", "bob", "waiter")
        for kind in (mesh.PING, mesh.TASK_REQUEST, mesh.AGENT_STATUS):
            self.assertIsNone(pending.match("bob", mesh.Message(kind, "r1")))
        self.assertEqual(pending.match("bob", mesh.Message("of_our_own", "r1")), "waiter")

    def test_a_lost_peer_takes_its_requests_and_no_others(self) -> None:
        pending: PendingRequests[str] = PendingRequests()
        pending.add("r1", "bob", "one")
        pending.add("r2", "eve", "two")
        pending.add("r3", "bob", "three")
        self.assertEqual(pending.take_peer("bob"), ["one", "three"])
        self.assertEqual(pending.take_all(), ["two"])
        self.assertEqual(len(pending), 0)

    def test_a_request_needs_an_id_of_its_own(self) -> None:
        pending: PendingRequests[str] = PendingRequests()
        pending.add("r1", "bob", "one")
        for request_id in ("", "r1"):
            with self.assertRaises(ValueError):
                pending.add(request_id, "bob", "two")


class Errors(unittest.TestCase):
    def test_a_code_becomes_its_exception_and_an_unknown_one_is_kept(self) -> None:
        self.assertIsInstance(make_error("not_connected"), NotConnected)
        self.assertIsInstance(make_error("not_connected"), Unreachable)
        self.assertIsInstance(make_error("deadline_exceeded"), TimeoutError)
        unknown = make_error("brand_new", "something new", "do this", "bob")
        self.assertIs(type(unknown), MeshError)
        self.assertEqual(
            (unknown.code, unknown.message, unknown.hint, unknown.target_peer),
            ("brand_new", "something new", "do this", "bob"),
        )
        self.assertEqual(str(unknown), "brand_new: something new (do this)")
        self.assertEqual(DeadlineExceeded().code, "deadline_exceeded")


if __name__ == "__main__":
    unittest.main()
