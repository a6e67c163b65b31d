"""The live figures of a step: what rank 0 serves to Prometheus and to the operator, in every framework alike."""

PREFIX = "trainwright_training_"
"""Every figure is a gauge of this name and its own."""

LABELS = ("namespace", "job_name", "step", "framework")
"""Labels of every figure: whose it is."""

FIGURES = {
    "step": "Optimizer steps done",
    "epoch": "Passes over the training split done",
    "loss": "Mean loss of a recent global batch",
    "accuracy": "Share of right answers on the validation split, when it was last measured",
    "learning_rate": "Learning rate of the first parameter group",
    "samples_per_second": "Training samples a second over all processes",
    "step_seconds": "Mean time of a recent optimizer step",
    "data_wait_seconds": "Time that a recent optimizer step waited for its data, on the mean",
    "progress_ratio": "Share of the step's work that is done, from 0 to 1",
    "eta_seconds": "Estimated seconds until the step is done",
    "checkpoint_seconds": "Seconds that writing the last checkpoint took in the background",
    "checkpoint_bytes": "Bytes of the last checkpoint",
    "gradient_norm": "Norm of all gradients together before clipping, where gradients are clipped",
    "gpu_memory_bytes": "GPU memory held by tensors of this process",
    "gpu_utilization_ratio": "Share of the last moments in which the GPU was busy, from 0 to 1",
    "process_memory_bytes": "Resident memory of this process",
}
"""Every figure that has one value, with what it means; those that a step doesn't know are left out."""

LOST_SECONDS = "lost_seconds"
"""The figure that has a value for each cause; a field of `LostTime` each."""

LOST_MEANING = "Time of the step, over all its attempts, in which its workers ran and nothing was gained, by cause"
