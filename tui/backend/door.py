"""`Backend`: everything that the screen asks of the runner.

Methods import what they need: the first frame needs a reader, each key only its own part. Every method may
block and is called in a thread, never in the screen's loop. A refusal raises
`runner.model.refusal.Refusal`, one sentence with what to do; `tui.asking` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.model.refusal import Refusal
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from tui.backend.results import ExportAnswer, NoticeTarget, Plan, Reader, Sent, SummarySheet
from tui.words.checklist import CheckName

if TYPE_CHECKING:
    import threading

    from runner.config.catalog import Flag
    from runner.config.model import Config
    from runner.control.gate import GateStatus
    from runner.control.remove import Removal
    from runner.history.comparing import Comparing
    from runner.history.replay import ReplayReader
    from runner.hosts.runs import HostRuns
    from runner.hosts.settings import Host
    from runner.model import Approval, Checkpoint, CheckResult, Label, RunListing, RunSnapshot
    from runner.model.preview import Existing, Preview
    from runner.notify.channel import Result
    from runner.preflight.cures.model import Cure
    from runner.trainers.sd_scripts.importers.find import Context, Found
    from runner.trainers.sd_scripts.importers.fresh import Answers
    from runner.trainers.sd_scripts.importers.model import Imported
    from runner.trainers.sd_scripts.importers.write import Written
    from tui.backend.results import FlagAnswer, FlagSheet
    from tui.backend.samples import SampleReader

OnCheck = Callable[["CheckResult"], None]

#: the details of the run under the cursor are read for at most so long
GLANCE_S = 0.3
#: the loss chart compares with one of so many earlier runs, each read for so long
EARLIER_RUNS, EARLIER_RUN_S = 5, 5.0
#: how a consent is recorded in the run
AGREED = "confirmed on the screen"


class Backend:
    """Passed to the app by the command; tests pass `tests.fakes.FakeBackend`."""

    def __init__(self) -> None:
        self._found: Context | None = None
        #: by path, what the newest summary knew of each candidate: only that very file is exported
        self._known: dict[str, Checkpoint] = {}

    # ----------------------------------------------------------------- reading runs

    def open_reader(self, run_path: Path) -> Reader:
        if RunDir(run_path).job.exists():
            from runner.control.jobs import JobReader

            return JobReader(run_path)
        return RunReader(run_path)

    def open_replay(self, run_path: Path, speed: float | None = None) -> ReplayReader:
        from runner.history.replay import ReplayReader

        return ReplayReader(run_path, speed)

    def comparing(self, run_paths: Sequence[Path], group: str = "") -> Comparing:
        """For 2 to 26 runs; refuses another number. `group`: whose runs they are."""
        from runner.history.comparing import Comparing

        try:
            return Comparing(run_paths, group)
        except ValueError as error:
            raise Refusal(str(error)) from None

    def chosen_of(self, group: Sequence[RunListing]) -> Sequence[RunListing]:
        """As many runs of a group as can be compared. Quick."""
        from runner.history.comparing import chosen_of

        return chosen_of(group)

    def samples(self, run_path: Path) -> SampleReader:
        from tui.backend.samples import SampleReader

        return SampleReader(run_path)

    def list_runs(self, *, at_leisure: bool = False) -> Sequence[RunListing]:
        """`at_leisure`: one of many times; changes of old runs may be seen half a minute late."""
        from runner.model import RunState
        from runner.store.registry import list_runs
        from runner.store.rundir import home

        if (home() / "jobs").is_dir():
            from runner.control.jobs import look_soon

            look_soon()
        found = list_runs(at_leisure=at_leisure)
        if any(one.state is RunState.QUEUED for one in found):
            from runner.control.queue import revive

            revive(found)
        return found

    def run_path(self, key: str) -> Path:
        """Of a run of this machine, by its key; refuses one of another."""
        from runner.store.registry import resolve

        return resolve(own_id(key))

    def glance(self, run_path: Path) -> RunSnapshot:
        """The run under the cursor: its small files, and as many losses as can be read in GLANCE_S."""
        return RunReader(run_path, console=False).read(GLANCE_S)

    def earlier_run(self, run_path: Path, number: int) -> RunSnapshot | None:
        """Another run of the same project or name with its loss: successful ones first, each newest first,
        `number` counts from 0. None: there is none."""
        from runner.model import Outcome, RunState
        from runner.store.listing import listing
        from runner.store.registry import list_runs, resolve

        own = listing(run_path)
        found = [
            one
            for one in list_runs()
            if one.id != own.id and one.state is RunState.ENDED and one.step > 0 and not one.smoke
            and (one.name == own.name or (own.project and one.project == own.project))
        ]  # fmt: skip
        found.sort(key=lambda one: (one.outcome is not Outcome.SUCCEEDED, -one.created_at))
        if number >= min(len(found), EARLIER_RUNS):
            return None
        reader = RunReader(resolve(found[number].id), console=False, files=False)
        return reader.read(EARLIER_RUN_S)

    # ----------------------------------------------------------------- other machines

    def hosts(self) -> tuple[Host, ...]:
        """Of the user's config.toml; refuses a file with problems."""
        from runner.store.rundir import user_config

        if user_config() is None:
            return ()
        from runner.hosts.settings import known_hosts

        return known_hosts()

    def remembered(self, host: str) -> HostRuns:
        """Its runs as an earlier process saw them."""
        from runner.hosts.runs import remembered

        return remembered(host)

    def ask_host(self, host: Host, before: HostRuns, cancelled: threading.Event) -> HostRuns:
        """Its runs now; may take as long as its network."""
        from runner.hosts.runs import ask

        return ask(host, before, cancelled=cancelled)

    def attach_command(self, host: str, words: Sequence[str]) -> list[str]:
        """argv that opens the screen there, in this terminal."""
        from runner.hosts.settings import named_hosts
        from runner.hosts.ssh import attach_command

        return attach_command(named_hosts([host])[0], words)

    # ----------------------------------------------------------------- runs of the list

    def label(self, run_path: Path) -> Label:
        """Name, tags and note given by the user; an empty label where there is none."""
        from runner.store.labels import read_label

        return read_label(run_path)

    def relabel(self, run_path: Path, label: Label) -> Sent:
        """Replace name, tags and note; refuses what is too long or holds control characters."""
        from runner.store.labels import write_label

        try:
            write_label(run_path, label)
        except OSError as error:
            raise Refusal(f"the label cannot be written: {error.strerror}") from None
        return Sent("label saved")

    def removal(self, run_path: Path) -> Removal:
        """What removing the run would delete; nothing is changed."""
        from runner.control.remove import removal_of

        return removal_of(run_path)

    def remove(self, run_path: Path, *, with_checkpoints: bool = False) -> Sent:
        """Remove the run's folder. `with_checkpoints`: also where `Removal.lost` names some."""
        from runner.control.remove import remove_run

        return Sent(f"removed {remove_run(run_path, with_checkpoints=with_checkpoints).id}")

    # ----------------------------------------------------------------- the summary

    def summary(self, run_path: Path) -> SummarySheet:
        """The complete summary, without its plot."""
        from runner.history.review.document_of import document_of
        from runner.history.review.gather import review_of
        from runner.history.summary import safe_document

        review = review_of(run_path)
        document = safe_document(review, document_of(review, plot=False))
        spec = review.snapshot.spec
        folder = Path(spec.cwd if spec is not None else "")
        candidates = tuple(
            replace(c, checkpoint=replace(c.checkpoint, path=str(folder / c.checkpoint.path)))
            for c in review.candidates
        )
        self._known.update((c.checkpoint.path, c.checkpoint) for c in candidates)
        samples = review.samples.by_step if review.samples is not None else {}
        return SummarySheet(document, review.snapshot, candidates, tuple(samples.items()))

    def export_folders(self, run_path: Path) -> tuple[str, ...]:
        """Existing folders that checkpoints are usually copied to, likeliest first."""
        from runner.checkpoints.export_places import suggested_folders
        from runner.model import RunSpec
        from runner.store.journal import readable
        from runner.store.rundir import RunDir

        spec = readable(RunDir(run_path).spec, RunSpec)
        found = suggested_folders(spec.command, spec.cwd) if spec else suggested_folders()
        return tuple(map(str, found))

    def export(self, source: str, folder: str, name: str) -> ExportAnswer:
        """Copy a checkpoint; a refusal is an answer as well."""
        from runner.checkpoints.export import ExportRefused, export_file
        from runner.checkpoints.export_places import remember_folder
        from runner.model.units import file_size

        target = Path(folder).expanduser()
        try:
            made = export_file(Path(source), target, name, known=self._known.get(source))
        except ExportRefused as refused:
            return ExportAnswer(False, str(refused), refused.free_name)
        remember_folder(target)
        notes = "".join(f"; {note}" for note in made.notes)
        facts = f"{file_size(made.size_bytes)}, verified, sha256 {made.sha256[:12]}"
        return ExportAnswer(True, f"Copied to {made.path}: {facts}{notes}.")

    def show_folder(self, path: str) -> str:
        """Open the folder of a file on the desktop; without one, the sentence names the folder."""
        from tui.backend.folders import show_folder

        return show_folder(path)

    # ----------------------------------------------------------------- orders

    def start_preview(self, config_path: Path) -> Preview:
        """What `start` would do, and which existing files it would overwrite."""
        from runner.control.begin import preview

        return preview(_load(config_path))

    def start(
        self,
        config_path: Path,
        smoke: bool = False,
        on_check: OnCheck | None = None,
        overwrite: Sequence[Existing] = (),
        queue: bool = False,
    ) -> Sent:
        """`overwrite`: the existing files that the user agreed to overwrite; `queue`: it waits for a slot."""
        from runner.control import begin
        from runner.control.start_refusals import WouldOverwrite
        from runner.preflight.existing_files import Consent

        config = _load(config_path)
        consent = Consent(frozenset(overwrite), reason=AGREED)
        try:
            run = begin.start(config, smoke=smoke, on_check=on_check, consent=consent, queue=queue)
        except begin.ChecksFailed as error:
            first = error.failed[0]
            text = f"{first.title or first.name}: {first.detail or first.evidence}"
            raise Refusal(f"not started, a check failed: {text}{_more(error.failed)}") from None
        except WouldOverwrite as error:
            raise Refusal(f"not started: {error}; press s again to decide") from None
        return Sent(f"{'queued' if queue else 'started'} {run.id}", run.path)

    def start_demo(self) -> Sent:
        from tui.cli.demo import demo_config, start_demo
        from tui.cli.exits import Fail

        try:
            run = start_demo(None)
        except Fail as error:
            raise Refusal(str(error)) from None
        return Sent(f"started {run.id}", run.path, demo_config(None))

    def approve(self, run_path: Path) -> Sent:
        """Approve a smoke test: the full run with the same settings may start."""
        from runner.control.gate import approve

        return Sent(f"approved by {approve(run_path).by}")

    def stop(self, run_path: Path, mode: str) -> Sent:
        """`mode`: default, after_save, now (as in runner.control.orders.stop), or cancel: keep training instead
        of stopping after the next save."""
        from runner.control import orders

        sent = orders.cancel_stop(run_path) if mode == "cancel" else orders.stop(run_path, mode)
        answer = orders.await_answer(run_path, sent)
        if answer is None:
            return Sent("stop requested; the supervisor hasn't responded yet")
        if not answer.accepted:
            raise Refusal(answer.text)
        return Sent(answer.text)

    def resume_preview(self, run_path: Path) -> Preview:
        """What `resume` would do; refuses with the reason where it cannot."""
        from runner.control.resume import plan_resume

        return plan_resume(_complete(run_path)).preview

    def resume(self, run_path: Path) -> Sent:
        from runner.control.launch import start_attempt
        from runner.control.resume import plan_resume
        from runner.store.rundir import RunDir

        found = plan_resume(_complete(run_path))
        start_attempt(RunDir(run_path), found.approved(None))
        return Sent(f"resumed from step {found.from_step}", run_path)

    def retry_preview(self, run_path: Path) -> Preview:
        """What `retry` would do: apply the fix of the run's cause; refuses where none is known."""
        from runner.control.retry import plan_retry

        return plan_retry(_complete(run_path)).preview

    def retry(self, run_path: Path) -> Sent:
        """Resume, or start again, with the fix of the run's cause."""
        from runner.control.retry import carry_out, plan_retry

        started = carry_out(plan_retry(_complete(run_path)), agreed=AGREED)
        return Sent(f"retrying as {started.id}", started.path)

    def move_in_queue(self, run_path: Path, where: str) -> Sent:
        """`where`: up, down."""
        from runner.control.queue import move

        return Sent(move(run_path, where))

    def release(self, run_path: Path) -> Sent:
        """A held run waits for its turn again."""
        from runner.control.queue import release

        return Sent(release(run_path))

    def adopt(self, run_path: Path) -> Sent:
        from runner.control.orders import adopt

        try:
            return Sent("supervised" if adopt(run_path) else "nothing to supervise")
        except OSError as error:
            raise Refusal(f"no supervisor could be started: {error}") from None

    def free_gpu(self, run_path: Path | None = None) -> Sent:
        """Ask each ComfyUI of this machine to unload its models; no process ends. The sentence has the result.
        `run_path`: the run that needs the memory, None before one."""
        from runner.hardware.comfy import free, port_users
        from runner.hardware.processes import running
        from runner.hardware.programs import COMFY, COMFY_PORT
        from runner.hardware.users import Listing, known_users

        listing = Listing.of(running())
        found = known_users(listing, frozenset())
        found += port_users(listing, found)
        ports = {user.port or COMFY_PORT for user in found if user.title == COMFY}
        if not ports:
            raise Refusal("no ComfyUI is running on this machine")
        freed = [free(port) for port in sorted(ports)]
        if not any(one.done for one in freed):
            raise Refusal(freed[0].text)
        return Sent(" ".join(one.text for one in freed).rstrip("."))

    def notice_target(self, run_path: Path | None, config_path: Path | None) -> NoticeTarget:
        """Of the run, as it was started with; else of the configuration, as the next run would be."""
        from runner.notify.message import trial_message

        if run_path is not None:
            from runner.config.channels import read_channels
            from runner.model import RunSpec
            from runner.store.journal import Unreadable, read_json
            from runner.store.rundir import RunDir

            run = RunDir(run_path)
            try:
                spec = read_json(run.spec, RunSpec)
            except Unreadable as error:
                raise Refusal(f"the notices of this run cannot be read: {error}") from None
            message = trial_message(spec.name, spec.id, str(run_path))
            return NoticeTarget(message, spec.notify, read_channels(run))
        if config_path is None:
            raise Refusal("nothing to test: neither a run nor a plasma.toml is open")
        config = _load(config_path)
        return NoticeTarget(trial_message(config.name), config.notify, config.channels)

    def test_channels(self, target: NoticeTarget) -> Sequence[Result]:
        """The result of each; may take a minute."""
        from runner.notify.sender import try_channels

        return try_channels(target.channels, target.message) if target.channels is not None else ()

    # ----------------------------------------------------------------- before a run

    def plan(self, config_path: Path) -> Plan:
        """Forecast, gate and the last smoke test, without the checks; every problem of a file that cannot be
        read."""
        from runner.config.errors import ConfigError
        from runner.control import begin
        from runner.control.gate import gate_status

        try:
            config = begin.load(config_path)
        except ConfigError as error:
            short = (replace(one, file=Path(one.file).name) for one in error.problems)
            problems = tuple(map(str, short))
            return Plan(config_path.name, problem=problems[0], problems=problems)
        gate = gate_status(config)
        return Plan(
            config.name,
            begin.forecast_of(config),
            gate=None if gate.open else gate.text,
            gate_status=gate,
            smoke_lines=_smoke_lines(gate),
            expect=config.expect,
            notes=config.notes,
        )

    def check_names(self) -> tuple[CheckName, ...]:
        """All checks, in the order of the panel."""
        from runner.preflight.registry import CHECKS

        return tuple(CheckName(check.name, check.title, check.slow) for check in CHECKS)

    def checks(
        self, config_path: Path, slow: bool, cancelled: threading.Event
    ) -> Iterator[CheckResult]:
        """Each result as soon as it is known; `slow`: with those that take seconds."""
        from runner.control.begin import checks

        return checks(_load(config_path), slow=slow, cancel=cancelled)

    def cure(self, config_path: Path, name: str, cancelled: threading.Event) -> Cure | None:
        """The fix for what the check of that name finds now; nothing is changed."""
        from runner.preflight.registry import cure_for

        try:
            return cure_for(name, _load(config_path), cancelled=cancelled)
        except KeyError:
            raise Refusal(f"no check is named {name}") from None

    def look_again(self, config_path: Path, check: str) -> CheckResult | None:
        """The one check by itself."""
        from runner.preflight.registry import CHECKS, run_checks

        wanted = [one for one in CHECKS if one.name == check]
        return next(run_checks(_load(config_path), checks=wanted), None)

    def approval(self, run_path: Path) -> Approval | None:
        """Of this smoke test."""
        from runner.control.gate import approval_of

        return approval_of(run_path)

    def flags(self, config_path: Path, thorough: bool) -> FlagSheet:
        """The script's flags. Not `thorough`: only if they are remembered, at once."""
        from tui.backend.flagsheet import flag_sheet

        return flag_sheet(config_path, thorough)

    def set_flag(
        self, config_path: Path, sheet: FlagSheet, section: str, flag: Flag, typed: str | None
    ) -> FlagAnswer:
        """Write one flag of plasma.toml, or remove it (`typed` None)."""
        from tui.backend.flagsheet import set_flag

        return set_flag(config_path, sheet, section, flag, typed)

    def restore_flags(self, config_path: Path, sheet: FlagSheet, source: bytes) -> FlagAnswer:
        """Write plasma.toml as it was before an edit."""
        from tui.backend.flagsheet import restore

        return restore(config_path, sheet, source)

    # ----------------------------------------------------------------- without a plasma.toml

    def find(self, project: Path) -> Found:
        return self._context(project).found

    def suggest(self, project: Path) -> Answers:
        from runner.trainers.sd_scripts.importers.fresh import suggested

        return suggested(self._context(project).found, project)

    def new_project(self, project: Path, answers: Answers) -> Imported:
        """The text of a plasma.toml from these answers; nothing is written."""
        from runner.trainers.sd_scripts.importers.fresh import new_project

        return new_project(answers, context=self._context(project))

    def import_file(self, project: Path, source: str) -> Imported:
        """The same from a script or configuration."""
        from runner.trainers.sd_scripts.importers.files import import_file

        return import_file(Path(source).expanduser(), context=self._context(project))

    def write_project(self, project: Path, made: Imported) -> Written:
        from runner.trainers.sd_scripts.importers.write import AlreadyThere, write_project

        try:
            return write_project(project, made.config_text, files=made.files)
        except AlreadyThere:
            raise Refusal(
                f"{project / 'plasma.toml'} exists by now; quit and open it with `plasma-tui`"
            ) from None
        except OSError as error:
            raise Refusal(f"{project} cannot be written to: {error.strerror}") from None

    def missing(self, made: Imported) -> Sequence[str]:
        """What a text still lacks."""
        from runner.trainers.sd_scripts.importers.fresh import missing_of

        return missing_of(made.config_text)

    def _context(self, project: Path) -> Context:
        """What is on this machine is looked for once."""
        from runner.trainers.sd_scripts.importers.find import Context

        if self._found is None or self._found.project != project:
            self._found = Context.here(project)
        return self._found


def own_id(key: str) -> str:
    """The id of a run of this machine; refuses a run of another."""
    host, _, run_id = key.rpartition("\n")
    if host:
        raise Refusal(f"{run_id} is on {host}: Enter opens it there")
    return run_id


def _complete(run_path: Path) -> RunSnapshot:
    return RunReader(run_path, console=False).read_all()


def _load(config_path: Path) -> Config:
    """Raises Refusal with the first problem of the file."""
    from runner.config.errors import ConfigError
    from runner.control import begin

    try:
        return begin.load(config_path)
    except ConfigError as error:
        raise Refusal(f"{error.problems[0]}{_more(error.problems)}") from None


def _more(all_of_them: Sequence[object]) -> str:
    return f" (and {len(all_of_them) - 1} more)" if len(all_of_them) > 1 else ""


def _smoke_lines(gate: GateStatus) -> tuple[CheckResult, ...]:
    """As approved; else read from the run."""
    from runner.analysis.smoke import smoke_verdict
    from runner.store.registry import RunNotFound, resolve

    if gate.approval is not None and gate.approval.verdict:
        return gate.approval.verdict
    if gate.smoke_run is None:
        return ()
    try:
        return smoke_verdict(_complete(resolve(gate.smoke_run)))
    except (RunNotFound, OSError):
        return ()
