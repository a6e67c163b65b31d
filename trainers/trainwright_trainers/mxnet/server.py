"""The key-value store's scheduler or server, by DMLC_ROLE: importing MXNet runs it until the workers are done."""

import os

from trainwright_trainers.runtime.processes import die_with_parent

if __name__ == "__main__":
    from trainwright_trainers.runtime.group import PARENT_VARIABLE

    die_with_parent(int(os.environ[PARENT_VARIABLE]))
    import mxnet  # noqa: F401
