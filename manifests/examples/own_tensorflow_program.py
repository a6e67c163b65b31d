"""Fits a line by parameter servers; any TensorFlow program that reads TF_CONFIG runs like it."""

import tensorflow as tf

resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
role, number = resolver.task_type, resolver.task_id
print(f"{role} {number} of {resolver.cluster_spec().as_dict().keys()}", flush=True)

if role in ("worker", "ps"):
    # They serve the chief until they are stopped.
    tf.distribute.Server(resolver.cluster_spec(), job_name=role, task_index=number, protocol="grpc").join()
elif role == "chief":
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        slope = tf.Variable(0.0)

    @tf.function
    def step() -> None:
        """A step of gradient descent towards a slope of 3."""
        inputs = tf.random.uniform([64])
        slope.assign_add(tf.reduce_mean((3 * inputs - slope * inputs) * inputs))

    for _ in range(60):
        coordinator.schedule(step)
    coordinator.join()
    print(f"slope {slope.numpy():.3f}", flush=True)
