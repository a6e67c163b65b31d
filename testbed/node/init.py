"""Process 1 of a machine: waits for every orphan, for ever. When it is killed, the kernel ends all others with it."""

import os
import time


def main() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
