"""SPNLSTM and SPNGRU against `strassenc train`: float outputs, gradients, integers."""

import copy
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: python/tests/torch.sh")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import strassenc as sc  # noqa: E402
import strassenc.torch  # noqa: E402
from strassenc import _strassenc  # noqa: E402
from strassenc.torch import SPNGRU, SPNLSTM, SPNLinear  # noqa: E402

BATCH, WINDOW = 6, 5


class Language(nn.Module):
    """Two recurrent layers, one of either kind, and dense layers without norms."""

    def __init__(self, lstm: Any, gru: Any, dense: Any) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(7, 4)
        self.one, self.middle = lstm(4, 5, batch_first=True), dense(5, 6)
        self.two, self.logits = gru(6, 3, batch_first=True), dense(3, 7)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        first, second = (None, None) if state is None else state
        y, first = self.one(self.embedding(x), first)
        y, second = self.two(F.relu(self.middle(y)), second)
        return self.logits(F.dropout(y, 0.5, False)), (first, second)


def language(quantiser: Any = "twn") -> Language:
    def dense(n: int, m: int) -> nn.Module:
        return SPNLinear(n, m, r=4, norm=False, hidden_norm=False, quantiser=quantiser)

    more = {"r": 4, "quantiser": quantiser}
    net = Language(partial(SPNLSTM, **more), partial(SPNGRU, **more), dense)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-1.5, 1.5)
    return net


NETWORKS = [language, lambda: language("row")]


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A text whose epoch is one step."""
    letters = np.array(list("abcdefg"))
    draw = np.random.default_rng(5)
    lengths = {"train": 1 + WINDOW + BATCH * WINDOW, "valid": 90, "test": 90}
    (tmp_path / "text").mkdir()
    for part, length in lengths.items():
        characters = np.concatenate([letters, draw.choice(letters, length - 7)])
        (tmp_path / "text" / f"{part}.txt").write_text("".join(characters))
    return f"text:{tmp_path / 'text'}"


def begin(net: nn.Module, run: Path, data: str) -> None:
    """A run at the weights of the network, in its phase, which is one step of gradient descent."""
    phase = {"learning_rate": 0.5, "schedule": "constant"}
    phases = {name: {"epochs": 0, **phase} for name in ("full", "ternary", "frozen")}
    phases[sc.torch.Phases(net).now]["epochs"] = 1
    recipe = {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0, "clip": 0.0}
    layers, weights = sc.torch.describe(net, torch.zeros(2, 3, dtype=torch.long))
    quantiser = next(m.quantiser for m in net.modules() if isinstance(m, SPNLinear))
    size = {"batch": BATCH, "window": WINDOW}
    description = {
        "name": "net",
        "input": {"shape": [1], "bits": 3, "frac": 0},
        "layers": layers,
        "train": {"data": data, "quantiser": quantiser, **recipe, **size, **phases},
    }
    _strassenc.begin(json.dumps(description), weights, run, False)


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("ternary", [False, True])
def test_float_outputs_are_those_of_a_run_at_the_same_weights(
    make: Any, ternary: bool, tmp_path: Path, data: str
) -> None:
    net = make()
    if ternary:
        sc.torch.Phases(net).ternary()
    begin(net, tmp_path / "run", data)
    x = torch.randint(0, 7, (5, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        due = net(x)[0].numpy()
        # In two windows, the state of the first one given to the second.
        first, state = net(x[:, :17])
        second, _ = net(x[:, 17:], state)
        assert torch.allclose(torch.cat([first, second], 1), net(x)[0], atol=1e-6)
    got = _strassenc.float_logits(tmp_path / "run", x.numpy().astype(np.uint32))
    got = got.reshape(40, 5, 7).swapaxes(0, 1)
    assert np.abs(got - due).max() < 1e-5 * np.abs(due).max()


def tensors(path: Path) -> dict[str, Any]:
    """The float tensors of a safetensors file."""
    bytes_ = path.read_bytes()
    start = 8 + int.from_bytes(bytes_[:8], "little")
    return {
        name: np.frombuffer(bytes_[slice(*(start + o for o in entry["data_offsets"]))], np.float32)
        .reshape(entry["shape"])
        for name, entry in json.loads(bytes_[8:start]).items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("ternary", [False, True])
def test_gradients_are_those_of_a_run_at_the_same_weights(
    make: Any, ternary: bool, tmp_path: Path, data: str
) -> None:
    net = make()
    if ternary:
        sc.torch.Phases(net).ternary()
    begin(net, tmp_path / "run", data)
    x = torch.zeros(2, 3, dtype=torch.long)
    before = sc.torch.describe(net, x)[1]
    _strassenc.go_on(tmp_path / "run")
    after = tensors(tmp_path / "run" / "checkpoint.safetensors")
    ours = {name: (before[name] - after[name]) / 0.5 for name in before}
    text = torch.from_numpy(sc.load_text(data).train.astype(np.int64))

    def error(offset: int) -> float:
        """Of our gradients, where the step begins there in the text."""
        rows = text[offset:][: BATCH * WINDOW + 1]
        logits, _ = net.double()(rows[:-1].view(BATCH, WINDOW))
        net.zero_grad()
        F.cross_entropy(logits.flatten(0, 1).float(), rows[1:]).backward()
        gradients = copy.deepcopy(net)
        with torch.no_grad():
            for to, parameter in zip(gradients.parameters(), net.parameters(), strict=True):
                to.copy_(parameter.grad)
        due = sc.torch.describe(gradients.float(), x)[1]
        return max(
            float(np.abs(ours[name] - due[name]).max() / max(np.abs(due[name]).max(), 1e-3))
            for name in ours
        )

    # Where an epoch begins is drawn.
    errors = sorted(error(offset) for offset in range(WINDOW + 1))
    assert errors[0] < 2e-4 and errors[1] > 0.1, errors


def test_both_roads_lead_to_the_same_integers(tmp_path: Path, data: str) -> None:
    net = language()
    sc.torch.Phases(net).ternary()
    for run in ("ours", "program"):
        train = {"batch": BATCH, "window": WINDOW, "frozen": {"epochs": 2}}
        x = torch.zeros(2, 3, dtype=torch.long)
        sc.torch.export(net, tmp_path / run, x, data=data, train=train)
    model = sc.resume(tmp_path / "ours")
    words = ["train", "program/network.toml", "--resume", "-o", "program"]
    program = [sys.executable, "-m", "strassenc", *words]
    subprocess.run(program, check=True, capture_output=True, cwd=tmp_path)
    assert sc.Model.load(tmp_path / "program").sha256 == model.sha256
    core = model.compile(effort=0)
    core.simulate(np.arange(20)[:, None] % 7)


def test_recurrent_spns_begin_with_the_function_of_their_teacher() -> None:
    teacher = Language(nn.LSTM, nn.GRU, nn.Linear).eval()
    x = torch.randint(0, 7, (4, 30))
    net = sc.torch.from_torch(teacher, x, r=2)
    with torch.no_grad():
        due, got = teacher(x)[0], net(x)[0]
    assert (got - due).abs().max() < 1e-4 * due.abs().max()
    own = (nn.Linear, nn.LSTM, nn.GRU)
    assert not any(isinstance(module, own) for module in net.modules())
    layers, _ = sc.torch.describe(net, x)
    assert [next(iter(layer)) for layer in layers if layer != "relu"] == [
        *("embedding", "lstm", "dense", "gru", "dense")
    ]


def test_what_sequences_cannot_have_is_named() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.lstm = nn.Embedding(7, 4), nn.LSTM(4, 5, num_layers=2)
            self.norm, self.logits = nn.LayerNorm(5), nn.Linear(5, 7)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.logits(self.norm(self.lstm(self.embedding(x))[0]))
            return y

    with pytest.raises(sc.Error) as raised:
        sc.torch.from_torch(Odd(), torch.zeros(2, 3, dtype=torch.long))
    assert "`lstm` has layers" in raised.value.cause
    assert "`norm` is a LayerNorm" in raised.value.cause
