"""The wire formats of an agent, without sockets: bytes in, values out, and back."""
