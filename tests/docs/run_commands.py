#!/usr/bin/python3
"""Runs the `sh` blocks of a page as they are printed, and looks for what they must print.

usage: run_commands.py PAGE BUILD_DIR EXPECTED...

They run in a network of their own, so that the ports of the page are free, and in an empty folder.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS_MAX = 60
# Root needs no user namespace, and has none to take where it lives in a chroot.
AS_ROOT = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
ISOLATED = ["unshare", *AS_ROOT, "--net", "--pid", "--fork", "--kill-child"]
SKIPPED = 77


def blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S))


def main() -> int:
    page, build, *expected = sys.argv[1:]
    if subprocess.run([*ISOLATED, "ip", "link", "set", "lo", "up"], check=False).returncode != 0:
        print("no network namespaces for this user here")
        return SKIPPED
    script = "set -eu\nip link set lo up\n" + blocks(Path(page)) + "\nkill $(jobs -p)\nwait || true\n"
    folders = [str(Path(build, name).resolve()) for name in ("apps", "examples")]
    environment = os.environ | {"PATH": os.pathsep.join([*folders, os.environ["PATH"]])}
    with tempfile.TemporaryDirectory() as folder:
        environment["XDG_RUNTIME_DIR"] = folder
        process = subprocess.Popen([*ISOLATED, "bash", "-c", script], cwd=folder, env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   start_new_session=True)
        try:
            output, _ = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
    print(output)
    missing = [text for text in expected if text not in output]
    if process.returncode != 0 or missing:
        print(f"exit code {process.returncode}; missing in the output: {missing}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
