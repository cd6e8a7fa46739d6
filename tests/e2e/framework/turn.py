"""A coturn server on loopback, with a secret that lives as long as the test."""

import secrets
import shutil
import socket
import unittest
from pathlib import Path

from framework.patience import eventually
from framework.programs import Program, free_port


class Turn(Program):
    def __init__(self, folder: Path) -> None:
        binary = shutil.which("turnserver")
        if binary is None:
            raise unittest.SkipTest("turnserver is not installed")
        self.secret = secrets.token_hex(16)
        self.port = free_port(socket.SOCK_DGRAM)
        command = [
            binary,
            "-n",  # no configuration file
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            f"--listening-port={self.port}",
            "--allow-loopback-peers",
            "--no-cli",
            "--no-tcp",
            "--no-tls",
            "--no-dtls",
            "--use-auth-secret",
            f"--static-auth-secret={self.secret}",
            "--realm=e2e",
            "--fingerprint",
            "--log-file=stdout",
            "--simple-log",
            f"--pidfile={folder / 'turnserver.pid'}",
            f"--userdb={folder / 'turn.sqlite'}",
        ]
        super().__init__("turnserver", folder, command)

    def wait_ready(self) -> None:
        eventually("coturn answers", self._answers)

    @property
    def url(self) -> str:
        return f"turn:127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        if not self.is_running:
            raise AssertionError(f"coturn ended early: {self.log()}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            # A STUN Binding request (RFC 8489): type, no attributes, magic cookie, transaction.
            probe.sendto(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), ("127.0.0.1", self.port))
            try:
                return bool(probe.recv(2048))
            except OSError:
                return False
