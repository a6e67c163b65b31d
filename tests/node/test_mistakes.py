"""What can't run says why, in words a user can act on."""

from tests.node.jobs import Jobs, training, with_trainer


def test_a_wrong_image_is_named(jobs: Jobs) -> None:
    template = with_trainer(image="localhost/no-such-image:1")
    jobs.apply(training("wrong-image", 1, workers={"replicas": 1, "template": template}))
    message = jobs.why_not_running("wrong-image", "Image")
    assert "localhost/no-such-image:1" in message
    assert "0 of 1 workers of step train are ready" in message


def test_a_missing_claim_is_named(jobs: Jobs) -> None:
    jobs.apply(training("no-claim", 1, storage={"claimName": "no-such-claim"}))
    assert 'persistentvolumeclaim "no-such-claim" not found' in jobs.why_not_running("no-claim", "no-such-claim")


def test_a_missing_gpu_is_named(jobs: Jobs) -> None:
    template = with_trainer(resources={"limits": {"nvidia.com/gpu": 1}})
    jobs.apply(training("no-gpu", 1, workers={"replicas": 1, "template": template}))
    assert "Insufficient nvidia.com/gpu" in jobs.why_not_running("no-gpu", "gpu")


def test_a_bad_factory_ends_the_job_at_once(jobs: Jobs) -> None:
    model = {"factory": "trainwright_trainers.pytorch.models:resnet9"}
    jobs.apply(training("bad-factory", 1, replicas=1, model=model))
    status = jobs.wait("bad-factory", "Failed")
    assert status["steps"][0]["attempts"] == 1
    message = jobs.condition("bad-factory", "Failed")["message"]
    assert "spec.model.factory" in message
    assert "resnet9" in message
    assert "resnet8" in message
