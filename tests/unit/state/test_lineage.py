"""Which checkpoints count after a resume, and what stopping would cost."""

from dataclasses import replace

from runner.analysis.safepoint import Place, price
from runner.history.report import show_json
from runner.model import AttemptStatus, Checkpoint, RunSnapshot
from runner.state.lineage import current, resumable, safe_step, stop_cost, weights_step
from tests import builders as b
from tui.words.progress import progress_of
from tui.words.questions import price_of_stopping

ATTEMPTS = (AttemptStatus(1, 1.0, 1, 60), AttemptStatus(2, 2.0, 21, 35))


def written(step: int, attempt: int = 1, **more: object) -> Checkpoint:
    one = b.checkpoint(step, attempt=attempt)
    return replace(one, **more)  # type: ignore[arg-type]


def test_steps_that_a_later_attempt_trained_again_do_not_count() -> None:
    files = [written(20), written(40), written(60), written(30, attempt=2)]
    assert [(c.step, c.attempt) for c in current(files, ATTEMPTS)] == [(20, 1), (30, 2)]
    assert safe_step(current(files, ATTEMPTS)) == 30


def test_the_state_that_an_attempt_began_with_stays_resumable_while_its_epoch_is_trained_again() -> (
    None
):
    source = written(40)
    found = resumable([written(20), source, written(60)], ATTEMPTS, source.state_path)
    assert [c.step for c in found] == [20, 40]


def test_a_state_of_broken_weights_is_no_safe_point() -> None:
    assert safe_step([written(20), written(40, finite=False)]) == 20
    assert weights_step([written(20), written(40, finite=None), written(60, missing=True)]) == 20


def without_states(step: int) -> RunSnapshot:
    shown = b.snapshot(step, status_changes={"safe_step": 0})
    assert shown.status is not None
    files = tuple(
        replace(c, state_path=None, state_complete=None) for c in shown.status.checkpoints
    )
    return replace(shown, status=replace(shown.status, checkpoints=files))


def test_what_stopping_costs_is_the_same_number_everywhere() -> None:
    shown = without_states(685)
    progress = progress_of(shown)
    cost = progress.stop_cost
    assert (cost.kept_step, cost.with_state, cost.steps) == (600, False, 85)
    assert show_json(shown)["lost_if_stopped"]["steps"] == 85
    assert "85 steps" in price_of_stopping(progress)
    assert "85 steps" in price(Place(685, 920, None, 0, 600))


def test_nothing_saved_costs_every_step() -> None:
    assert stop_cost(50, 0, 0, None).steps == 50
    assert stop_cost(50, 0, 0, 2.0).seconds == 100.0
