"""Fits a line over a dist_sync key-value store; any program for MXNet's own launcher runs like it."""

import mxnet as mx
from mxnet import autograd

# In the processes of scheduler and servers, the import above has run the store to its end already.
store = mx.kv.create("dist_sync")
print(f"worker {store.rank} of {store.num_workers}", flush=True)
mx.random.seed(store.rank)

slope = mx.nd.zeros((1,))
slope.attach_grad()
store.init("slope", slope)
store.set_optimizer(mx.optimizer.SGD(learning_rate=0.4, rescale_grad=1 / store.num_workers))
for _ in range(60):
    inputs = mx.nd.random.uniform(shape=(64,))
    with autograd.record():
        loss = ((slope * inputs - 3 * inputs) ** 2).mean()
    loss.backward()
    store.push("slope", slope.grad)
    store.pull("slope", out=slope)
print(f"slope {slope.asscalar():.3f}", flush=True)
