"""What the table promises of MXNet's optimizers and schedules."""

import json
import subprocess

import pytest

from tests.promises import ran_with
from trainwright.api.capabilities import CAPABILITIES
from trainwright.local.interpreters import interpreter_of

pytestmark = pytest.mark.slow

STEPS = 6

# Run by the Python that has MXNet: the loss at every step, with and without a checkpoint in the middle.
PROGRAM = """
import json, pathlib, sys
import mxnet as mx
from trainwright.api.steps import Train
from trainwright_trainers.mxnet.checkpointing import TrainingState
from trainwright_trainers.mxnet.optimization import OPTIMIZERS, SCHEDULES, make_optimization
from trainwright_trainers.mxnet.tensors import assign_tensors
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors

steps, file = int(sys.argv[1]), pathlib.Path(sys.argv[2])

def begin(options):
    mx.random.seed(0)
    model = mx.gluon.nn.Dense(3, in_units=4)
    model.initialize(mx.init.Xavier(), force_reinit=True)
    return TrainingState(model, make_optimization(options, model, steps, "train"))

def run(options, stop):
    state, losses = begin(options), []
    inputs = mx.nd.array([[0.1 * (i - j) ** 2 for i in range(4)] for j in range(8)])
    for number in range(steps):
        if number == stop:
            write_tensors({name: values.asnumpy() for name, values in state.arrays.items()}, file)
            state = begin(options)
            assign_tensors(state.arrays, read_tensors(file))
        with mx.autograd.record():
            loss = ((state.model(inputs) - 1) ** 2).mean()
        loss.backward()
        losses.append(float(loss.asscalar()))
        gradients = [p.grad() for p in state.model._collect_params_with_prefix().values()]
        state.optimization.update(gradients, number)
    return losses

found = {"known": {"optimizers": [k.__name__ for k in OPTIMIZERS.values()],
                   "schedules": [k.__name__ for k in SCHEDULES.values()]}}
arguments = {"FactorScheduler": {"step": 2}, "MultiFactorScheduler": {"step": [2, 4]}}
wanted = [(name, None) for name in found["known"]["optimizers"]]
wanted += [("SGD", name) for name in found["known"]["schedules"]]
for optimizer, schedule in wanted:
    options = {"optimizer": {"name": optimizer, "learningRate": 0.05}}
    if schedule:
        options["schedule"] = {"name": schedule, "args": arguments.get(schedule, {})}
    options = Train.model_validate(options)
    found[schedule or optimizer] = run(options, None), run(options, steps // 2)
print(json.dumps(found))
"""


def test_every_optimizer_and_schedule_learns_and_goes_on_from_a_checkpoint(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("state") / "state.safetensors"
    command = [str(interpreter_of("mxnet")), "-c", PROGRAM, str(STEPS), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    promised = CAPABILITIES["mxnet"]
    known = found.pop("known")
    assert (tuple(known["optimizers"]), tuple(known["schedules"])) == (promised.optimizers, promised.schedules)
    for name, (straight, stopped) in found.items():
        assert straight[-1] < straight[0], name
        assert stopped == straight, name
        ran_with("mxnet", "optimizers" if name in promised.optimizers else "schedules", name)
