"""A PyTorch network for handwritten digits, down to Verilog that computes the same, bit for bit.

    pip install . torch scikit-learn                       # in the repository's folder
    python examples/python/digits.py
"""

import sklearn.datasets
import torch
from torch import nn

import strassenc as sc
import strassenc.torch

torch.manual_seed(0)
torch.set_num_threads(1)  # More are slower on so small a network.
digits = sklearn.datasets.load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)
x, y, x_test, y_test = images[:1400], labels[:1400], images[1400:], labels[1400:]


def train(net: nn.Module, epochs: int, rate: float, teacher: nn.Module | None = None) -> None:
    """Trains for some epochs; with a teacher, also towards what that says."""
    optimiser = torch.optim.AdamW(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(50):
            logits = net.train()(x[batch])
            loss = nn.functional.cross_entropy(logits, y[batch])
            if teacher is not None:
                with torch.no_grad():
                    taught = teacher(x[batch])
                loss = sc.torch.distillation_loss(logits, y[batch], taught)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()


def accuracy(net: nn.Module) -> float:
    """On the test images."""
    with torch.no_grad():
        return float((net.eval()(x_test).argmax(1) == y_test).float().mean())


teacher = nn.Sequential(
    *(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
    *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)),
)
train(teacher, 20, 1e-2)
teacher.eval()
net = sc.torch.from_torch(teacher, x, r=1)
phases = sc.torch.Phases(net)
train(net, 5, 2e-3, teacher)
phases.ternary()
train(net, 40, 5e-3, teacher)

data = sc.torch.save_data("digits-data", x, y, x_test, y_test)
recipe = {"frozen": {"epochs": 5, "learning_rate": 1e-3}}
run = "digits-run"
sc.torch.export(net, run, x, data=data, name="digits", frac=7, train=recipe, overwrite=True)
model = sc.resume(run)
core = model.compile(target_fps=1_000_000)
samples = x_test.movedim(1, -1).numpy()
simulated = core.simulate(samples)
right = float((simulated.outputs.argmax(1) == y_test.numpy()).mean())
print(f"teacher {accuracy(teacher):.3f}, SPN {accuracy(net):.3f}, integers {right:.3f}")
print(f"{len(samples)} test images in Verilog, bit for bit; {simulated.ii:.0f} clocks an image")
print(core)
