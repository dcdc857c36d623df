from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from luthier.train import Schedule, TrainSettings, make_optimizer, rate_factor

RATE = 0.4


def _curve(steps: int = 100, values=None, epoch_every: int = 10, **changes) -> list[float]:
    """The rate of every step, as the optimiser has it."""
    model = nn.Linear(2, 1)
    made = TrainSettings(learning_rate=RATE, optimizer="sgd", **changes)
    optimizer = make_optimizer(model, made)
    schedule = Schedule(optimizer, made, steps)
    rates = []
    for step in range(steps):
        assert {group["lr"] for group in optimizer.param_groups} == {schedule.rate}
        rates.append(schedule.rate)
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % epoch_every == 0:
            schedule.epoch(values[step // epoch_every] if values else 0.0)
    return rates


def test_constant():
    assert _curve() == [RATE] * 100


def test_exponential():
    assert _curve(schedule="exponential", lr_floor=0.01) == pytest.approx(
        [RATE * 0.01 ** (s / 100) for s in range(100)]
    )


def test_step():
    rates = _curve(schedule="step", decay=0.5, step_every=0.3)
    assert rates == pytest.approx([RATE] * 30 + [RATE / 2] * 30 + [RATE / 4] * 30 + [RATE / 8] * 10)


def test_step_is_not_late_by_rounding():
    assert _curve(10, schedule="step", decay=0.5, step_every=0.1) == pytest.approx([RATE / 2**s for s in range(10)])


def test_cosine_is_torchs_own():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=RATE)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100, eta_min=RATE * 0.1)
    expected = []
    for _ in range(100):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert _curve(schedule="cosine", lr_floor=0.1) == pytest.approx(expected)


def test_cyclic_is_torchs_own():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=RATE)
    theirs = torch.optim.lr_scheduler.CyclicLR(
        optimizer, base_lr=RATE * 0.1, max_lr=RATE, step_size_up=10, cycle_momentum=False
    )
    expected = []
    for _ in range(100):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert _curve(schedule="cyclic", lr_floor=0.1, cycles=5) == pytest.approx(expected)


def test_plateau():
    values = [0.1, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]  # accuracy: more is better
    rates = _curve(values=values, schedule="plateau", decay=0.5, plateau_patience=1, lr_floor=0.2)
    # no gain in epochs 3 and 4: halved from 5 on; then in 6 and 7: halved; then in 8 and 9: the floor
    factors = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]
    assert rates[::10] == pytest.approx([RATE * f for f in factors])


def test_plateau_of_a_loss_goes_down_and_min_delta_counts():
    values = [1.0, 0.99, 0.98, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    changes = {"schedule": "plateau", "decay": 0.1, "plateau_patience": 1, "lr_floor": 0.0, "monitor": "loss"}
    assert _curve(values=values, min_delta=0.1, **changes)[::10] == pytest.approx(
        [RATE * f for f in (1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001)]
    )


@pytest.mark.parametrize("schedule", ["constant", "exponential", "step", "cosine", "cyclic", "plateau"])
def test_warmup_rises_and_then_the_schedule_begins(schedule):
    rates = _curve(warmup=0.2, schedule=schedule)
    assert rates[:20] == pytest.approx([RATE * (s + 1) / 20 for s in range(20)])
    assert rates[20] == pytest.approx(RATE * (0.01 if schedule == "cyclic" else 1))


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["constant", "exponential", "step", "cosine", "cyclic"]),
    st.integers(1, 500),
    st.floats(0, 0.99),
    st.floats(1e-4, 0.99),
    st.integers(1, 8),
)
def test_factors_are_positive_and_at_most_one(schedule, steps, warmup, floor, cycles):
    made = TrainSettings(schedule=schedule, warmup=warmup, lr_floor=floor, cycles=cycles)
    factors = [rate_factor(made, step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 + 1e-12 and math.isfinite(factor) for factor in factors)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_state_goes_on(schedule):
    def run(cut: int | None) -> list[float]:
        model = nn.Linear(1, 1)
        made = TrainSettings(schedule=schedule, warmup=0.1, optimizer="sgd", plateau_patience=0)
        optimizer = make_optimizer(model, made)
        line = Schedule(optimizer, made, 40)
        rates = []
        for step in range(40):
            if step == cut:
                states = optimizer.state_dict(), line.state_dict()
                optimizer = make_optimizer(model, made)
                line = Schedule(optimizer, made, 40)
                optimizer.load_state_dict(states[0])
                line.load_state_dict(states[1])
            rates.append(line.rate)
            optimizer.step()
            line.step()
            if step % 5 == 4:
                line.epoch(0.5)
        return rates

    whole = run(None)
    assert len(set(whole)) > 5
    for cut in (0, 2, 4, 17, 39):
        assert run(cut) == whole
