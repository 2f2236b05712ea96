"""Long work: its progress, Ctrl-C, and the interpreter meanwhile."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import strassenc as sc


def test_long_work_tells_its_progress_and_then_nothing(
    digits: sc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    sc.on_progress(lines.append)
    try:
        digits.compile(effort=3, time_limit=1)
    finally:
        sc.on_progress(sc.show_progress)
    assert any("compiling" in line and "dense_0" in line for line in lines)
    assert lines[-1] == ""


def test_work_goes_on_where_nobody_reads(
    digits: sc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a process that was started without a terminal.
    monkeypatch.setattr(sys, "stderr", None)
    assert digits.compile(effort=3, time_limit=1)


def test_an_exception_of_the_callback_ends_the_work(digits: sc.Model) -> None:
    def fails(line: str) -> None:
        raise ValueError(line)

    sc.on_progress(fails)
    try:
        with pytest.raises(ValueError, match="compiling"):
            digits.compile(effort=3, time_limit=120)
    finally:
        sc.on_progress(sc.show_progress)
    assert digits.compile(effort=0)


def test_ctrl_c_ends_a_search_and_the_next_one_runs(digits: sc.Model) -> None:
    def interrupt(line: str) -> None:
        if line and not interrupted:
            interrupted.append(line)
            os.kill(os.getpid(), signal.SIGINT)

    interrupted: list[str] = []
    sc.on_progress(interrupt)
    # A shell's background jobs begin with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            digits.compile(effort=3, time_limit=120)
    finally:
        signal.signal(signal.SIGINT, before)
        sc.on_progress(sc.show_progress)
    assert digits.compile(effort=0)


def test_other_threads_run_meanwhile(digits: sc.Model) -> None:
    turns, done = 0, threading.Event()

    def search() -> None:
        digits.compile(effort=3, time_limit=1)
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    while not done.wait(0.001):
        turns += 1
    thread.join()
    assert turns > 10, "the interpreter was locked"


def test_the_program_is_in_the_package() -> None:
    program = [sys.executable, "-m", "strassenc"]
    told = subprocess.run([*program, "--version"], check=True, capture_output=True, text=True)
    assert told.stdout.startswith("strassenc 0.")
    wrong = subprocess.run([*program, "verilog", "/nowhere"], capture_output=True, text=True)
    assert wrong.returncode == 3 and "error[io]: /nowhere" in wrong.stderr
