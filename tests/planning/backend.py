"""A back end as small as one can be: it carries plans out in the order that they ask for, and may die anywhere."""

from dataclasses import replace

from tests.planning.world import Job, World, owner
from trainwright.manifests.site import ClusterSite
from trainwright.planning.actions import Plan, Resize
from trainwright.planning.conditions import is_finished
from trainwright.planning.observation import ChildJob, Observation, read_child
from trainwright.planning.plan import plan

SITE = ClusterSite()


class CrashError(Exception):
    """The operator was killed."""


class ConflictError(Exception):
    """The API server refused a write, since the object has changed."""


class BackEnd:
    """Decides on what it has heard of; knows what it has written itself at once, and all the rest when it is told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.effects_left: int | None = None
        self.start()

    def start(self) -> None:
        """A new process reads everything anew."""
        self.job, self.version = self.world.job, self.world.version
        self.known = {name: read_child(job.as_object()) for name, job in self.world.jobs.items()}

    def hear(self) -> None:
        """The watches deliver all that has happened."""
        self.start()

    def observe(self) -> Observation:
        """What is known of the Jobs; pods without a Job are looked for each time, and shown as a Job that ends."""
        leftovers = [read_child(job.as_object()) for job in self.world.leftovers if job.active_pods]
        return Observation(self.job, (*self.known.values(), *leftovers))

    def decide(self, seen: Observation) -> tuple[Observation, Plan]:
        """The plan, and the observation with all that was asked for it."""
        decided = plan(seen, self.world.now, SITE)
        if decided.ask:
            answers = {child.uid: self.world.outcomes(child.uid) for child in decided.ask}
            seen = replace(seen, outcomes=answers)
            decided = plan(seen, self.world.now, SITE)
            assert not decided.ask, "a plan asks for what it was given"
        return seen, decided

    def reconcile(self, effects: int | None = None) -> Plan | None:
        """One pass; with `effects`, the process is killed after so many. Returns the plan if it was all carried out."""
        if self.world.gone:
            return None
        self.effects_left = effects
        seen, decided = self.decide(self.observe())
        try:
            self.carry_out(decided)
        except CrashError:
            self.start()
            return None
        except ConflictError as conflict:
            if str(conflict):
                self._tell_refusal(seen, str(conflict))
            return None
        return decided

    def _tell_refusal(self, seen: Observation, message: str) -> None:
        _, decided = self.decide(replace(seen, refused=message))
        try:
            self.carry_out(decided)
        except CrashError:
            self.start()
        except ConflictError as conflict:
            assert not str(conflict), "what was refused is tried again in the same pass"

    def carry_out(self, decided: Plan) -> None:
        for body in decided.apply:
            if body["kind"] == "Job":
                self._effect()
                self.put_in_place(body)
        if decided.status != self.job.status:
            self._effect()
            self.write_status(decided)
        for change in decided.resize:
            self._effect()
            self.resize(change)
        for child in decided.delete:
            self._effect()
            self.delete(child)
        if decided.delete_job:
            self._effect()
            self.world.gone = True

    def _effect(self) -> None:
        if self.effects_left is not None:
            if self.effects_left == 0:
                raise CrashError
            self.effects_left -= 1

    def put_in_place(self, body: dict) -> None:
        name = body["metadata"]["name"]
        there = self.world.jobs.get(name)
        if there is None:
            self.check_creation(body)
            there = self.world.create(body)
        elif owner(there.body) != owner(body):
            raise ConflictError(f"there is a Job {name} that does not belong to this job")
        self.known[name] = read_child(there.as_object())

    def write_status(self, decided: Plan) -> None:
        if self.version != self.world.version:
            raise ConflictError
        self.check_status(decided)
        self.world.change_job(status=decided.status)
        self.job, self.version = self.world.job, self.world.version

    def resize(self, change: Resize) -> None:
        job = self.world.jobs.get(change.child.name)
        if job is None or job.uid != change.child.uid:
            return
        self.check_resize(job, change)
        job.body["spec"] |= {"completions": change.size, "parallelism": change.size}
        self.known[job.name] = read_child(job.as_object())

    def delete(self, child: ChildJob) -> None:
        job = self.world.jobs.get(child.name)
        if job is None or job.uid != child.uid:
            return
        self.check_deletion(job, child)
        job.terminating = True
        self.known[child.name] = read_child(job.as_object())

    # The invariants that bind single effects; `test_history` fills them in.

    def check_creation(self, body: dict) -> None:
        """Called before a Job is created."""
        assert not is_finished(self.world.job.status.conditions), "a finished job gets a new child"

    def check_status(self, decided: Plan) -> None:
        """Called before a status is written."""

    def check_resize(self, job: Job, change: Resize) -> None:
        """Called before a Job is resized."""

    def check_deletion(self, job: Job, seen: ChildJob) -> None:
        """Called before a Job is deleted."""
