"""Make .venv with the packages of requirements.txt, unless it is there already.

Only the standard library is used. Several of these may run at once: one builds, the rest wait.
"""

import fcntl
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
WANTED = (HERE / "requirements.txt").read_text()
STAMP = ENVIRONMENT / "installed.txt"  # written last: what is half done is done again


def main() -> int:
    ENVIRONMENT.mkdir(exist_ok=True)
    with (ENVIRONMENT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STAMP.is_file() and STAMP.read_text() == WANTED + sys.version:
            return 0
        STAMP.unlink(missing_ok=True)
        venv.create(ENVIRONMENT, with_pip=True)
        install = [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet"]
        install += ["--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        code = subprocess.run(install, check=False).returncode
        if code == 0:
            STAMP.write_text(WANTED + sys.version)
        return code


sys.exit(main())
