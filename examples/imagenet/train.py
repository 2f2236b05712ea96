"""ST-ResNet-18 on ImageNet: trained by PyTorch on as many GPUs as there are.

    cd examples/imagenet
    torchrun --standalone --nproc-per-node 8 --max-restarts 3 train.py IMAGENET -o out
    torchrun --standalone --nproc-per-node 2 train.py --dry-run -o out

README.md beside this file says what it needs, does and leaves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

import strassenc.torch as st

Sample = tuple[Tensor, int]


class Block(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """He et al. 2015, with the names of torchvision's, whose weights it takes."""

    def __init__(self, classes: int = 1000, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for number, channels in enumerate((width, 2 * width, 4 * width, 8 * width)):
            before = max(channels // 2, width)
            blocks = Block(before, channels, min(number + 1, 2)), Block(channels, channels, 1)
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        y: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return y


class Generated(Dataset[Sample]):
    """Images `[3, size, size]` that each class has a pattern for, and noise."""

    def __init__(self, count: int, classes: int, size: int, split: int) -> None:
        patterns = torch.Generator().manual_seed(0)
        self.patterns = torch.rand(classes, 3, size, size, generator=patterns)
        self.count, self.split = count, split

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        draw = torch.Generator().manual_seed(2 * index + self.split)
        label = int(torch.randint(len(self.patterns), (), generator=draw))
        noise = torch.rand(self.patterns.shape[1:], generator=draw)
        # Values of the input's format, u8 · 2^-8.
        return ((0.5 * self.patterns[label] + 0.5 * noise) * 255).round() / 256, label


class Drawn(Dataset[Sample]):
    """Samples whose changes by chance are drawn by epoch and number alone, so that it does not
    matter which process draws them, or when."""

    def __init__(self, samples: Any) -> None:
        self.samples, self.epoch = samples, 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((self.epoch << 32) + index)
            x, label = self.samples[index]
            return x, label


def imagenet(folder: Path) -> tuple[Any, Any]:
    """`train/CLASS/*` and `val/CLASS/*`, as pixels of 0 to 255 over 256."""
    from torchvision import datasets
    from torchvision import transforms as t

    pixels = t.Compose([t.PILToTensor(), t.Lambda(_over_256)])
    crops = t.Compose([t.RandomResizedCrop(224), t.RandomHorizontalFlip(), pixels])
    centre = t.Compose([t.Resize(256), t.CenterCrop(224), pixels])
    train = datasets.ImageFolder(str(folder / "train"), crops)
    return train, datasets.ImageFolder(str(folder / "val"), centre)


def _over_256(pixels: Tensor) -> Tensor:
    return pixels.float() / 256


def normalised(x: Tensor) -> Tensor:
    """Pixels as torchvision's networks take them."""
    mean, deviation = x.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    y: Tensor = (x * (256 / 255) - mean) / deviation
    return y


@dataclass
class Place:
    """Where training is: what a checkpoint holds beside weights and optimiser."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


class Training:
    """One process of several."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()
        if args.batch % self.processes:
            raise SystemExit(f"--batch {args.batch} is no multiple of {self.processes} processes")
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(self.device)
        if args.dry_run:
            train, self.held_out = (Generated(args.images, 10, args.size, i) for i in range(2))
            net = ResNet18(10, args.width)
        else:
            train, self.held_out = imagenet(args.data)
            net = ResNet18()
        self.train_set = Drawn(train)
        self.steps = len(train) // args.batch
        if self.steps == 0:
            raise SystemExit(f"--batch {args.batch} is more than the {len(train)} images")
        self.teacher = None
        if args.teacher is not None:
            self.teacher = ResNet18()
            self.teacher.load_state_dict(torch.load(args.teacher, map_location="cpu"))
            self.teacher.requires_grad_(False).eval().to(self.device)
        of = range(0, len(train), max(len(train) // 64, 1))
        x = torch.stack([self.train_set[i][0] for i in of[:64]])
        self.net = st.from_torch(net, x, r=args.ratio, p=args.p).to(self.device)
        self.phases = st.Phases(self.net)
        self.place = Place()

    @property
    def path(self) -> Path:
        """The checkpoint."""
        return Path(self.args.output) / "checkpoint.pt"

    def run(self) -> None:
        """All phases from where the checkpoint is, or from the start."""
        names = ("full", "ternary", "frozen")
        saved = torch.load(self.path, map_location=self.device) if self.path.exists() else None
        if saved is not None:
            self.net.load_state_dict(saved["net"])
            self.place = Place(**saved["place"])
            self.say(f"goes on in {asdict(self.place) | {'history': len(self.place.history)}}")
        while self.place.phase < len(names):
            phase = self.place.phase
            getattr(self.phases, names[phase])()
            # DDP asks which parameters train as it begins, so it begins anew.
            net = DistributedDataParallel(self.net)
            optimiser = self.optimiser()
            if saved is not None and (self.place.epoch or self.place.step):
                optimiser.load_state_dict(saved["optimiser"])
            saved = None
            while self.place.epoch < self.args.epochs[phase]:
                self.epoch(net, optimiser, names[phase])
            self.place = Place(phase + 1, history=self.place.history)
            self.save(optimiser)

    def optimiser(self) -> torch.optim.SGD:
        """Of what trains; matrices decay, norms, coefficients and biases do not."""
        trained = [p for p in self.net.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.args.decay},
            {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        return torch.optim.SGD(groups, 0.1, momentum=0.9, nesterov=True)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What is left of the epoch: of each batch the share of this process, so that the samples
        of a step are the same on any number of processes."""
        place, batch = self.place, self.args.batch
        number = 1000 * place.phase + place.epoch
        draw = torch.Generator().manual_seed(number)
        order = torch.randperm(len(self.train_set), generator=draw).tolist()
        firsts = range(place.step * batch, self.steps * batch, batch)
        shares = [order[first : first + batch][self.rank :: self.processes] for first in firsts]
        self.train_set.epoch = number
        workers = self.args.workers
        loader = DataLoader(self.train_set, batch_sampler=shares, num_workers=workers)
        for x, labels in loader:
            yield x.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def rate(self) -> float:
        """A cosine over the phase, behind a warm-up of one epoch at most."""
        place, args = self.place, self.args
        step, of = place.epoch * self.steps + place.step, args.epochs[place.phase] * self.steps
        peak = args.rates[place.phase] * args.batch / 256
        warm = min(self.steps, of // 10)
        return float(peak * min((step + 1) / (warm + 1), (1 + math.cos(math.pi * step / of)) / 2))

    def loss(self, net: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy, with a teacher also towards what that says."""
        on_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            logits = net(x)
            taught = None if self.teacher is None else self.teacher(normalised(x)).float()
        if taught is None:
            return F.cross_entropy(logits.float(), labels)
        return st.distillation_loss(logits.float(), labels, taught)

    def epoch(self, net: nn.Module, optimiser: torch.optim.SGD, phase: str) -> None:
        """What is left of an epoch, and its line in the history."""
        place, began, first = self.place, time.monotonic(), self.place.step
        net.train()
        total = torch.zeros((), device=self.device)
        for x, labels in self.batches():
            for group in optimiser.param_groups:
                group["lr"] = self.rate()
            loss = self.loss(net, x, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
            place.step += 1
            if place.step % self.args.save_every == 0 and place.step < self.steps:
                total = self.note(total)
                self.save(optimiser)
        self.note(total)
        seconds = time.monotonic() - began
        images = (place.step - first) * self.args.batch
        accuracy = self.accuracy()
        record = {"phase": phase, "loss": place.loss / self.steps, "accuracy": accuracy}
        place.history.append({**record, "weights": self.digests()})
        place.epoch, place.step, place.loss = place.epoch + 1, 0, 0.0
        self.save(optimiser)
        self.say(f"{record} {images / seconds:.0f} images/s")

    def note(self, total: Tensor) -> Tensor:
        """Adds the losses of all processes to what is saved, and begins a new sum."""
        dist.all_reduce(total)
        self.place.loss += float(total) / self.processes
        return torch.zeros_like(total)

    @torch.no_grad()
    def accuracy(self) -> float:
        """On what is held out, by the running statistics of the first process."""
        for buffer in self.net.buffers():
            dist.broadcast(buffer, 0)
        self.net.eval()
        mine = range(self.rank, len(self.held_out), self.processes)
        workers = self.args.workers
        size = self.args.batch // self.processes
        right = torch.zeros(2, device=self.device)
        for x, labels in DataLoader(self.held_out, size, sampler=mine, num_workers=workers):
            hits = self.net(x.to(self.device)).argmax(1) == labels.to(self.device)
            right += torch.stack([hits.sum(), hits.new_tensor(len(hits), dtype=torch.long)])
        dist.all_reduce(right)
        return float(right[0] / right[1])

    def digests(self) -> list[str]:
        """A digest of the weights on each process; all are one, or something is wrong."""
        digest = hashlib.sha256()
        for tensor in self.net.state_dict().values():
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        found = [""] * self.processes
        dist.all_gather_object(found, digest.hexdigest()[:16])
        return found

    def save(self, optimiser: torch.optim.SGD) -> None:
        """Writes the checkpoint in the place of the one before, or leaves that as it is."""
        if self.rank > 0:
            return
        new = self.path.with_suffix(".new")
        state = {"net": self.net.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save({**state, "place": asdict(self.place)}, new)
        new.replace(self.path)
        history = Path(self.args.output) / "history.json"
        history.with_suffix(".new").write_text(json.dumps(self.place.history, indent=1))
        history.with_suffix(".new").replace(history)

    def export(self) -> None:
        """Writes a run that `strassenc train` goes on with on integers, on some of the images."""
        if self.rank > 0:
            return
        folder = Path(self.args.output)
        draw = torch.Generator().manual_seed(0)
        parts: list[Any] = []
        for samples in (self.train_set, self.held_out):
            chosen = torch.randperm(len(samples), generator=draw)[: self.args.export]
            drawn = [samples[i] for i in chosen.tolist()]
            parts += [torch.stack([x for x, _ in drawn]), [label for _, label in drawn]]
        data = st.save_data(folder / "data", *parts)
        net = self.net.cpu()
        keys: dict[str, Any] = {"frozen": {"epochs": 1, "learning_rate": 1e-4}, "batch": 32}
        run, x = folder / "run", parts[0][:2]
        st.export(net, run, x, data=data, name="st_resnet18", train=keys, overwrite=True)
        self.say(f"strassenc train {folder}/run/network.toml --resume -o {folder}/run")

    def say(self, text: str) -> None:
        """On the first process."""
        if self.rank == 0:
            print(text, flush=True)


def join() -> None:
    """Joins the processes that `torchrun` started.

    It keeps one store over its restarts, with the addresses of processes that are gone, so each
    start has its own part of it.
    """
    store, rank, processes = next(rendezvous("env://"))
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    own = dist.PrefixStore(start, store)  # type: ignore[attr-defined]
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=own, rank=rank, world_size=processes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("data", type=Path, nargs="?", help="ImageNet: train/CLASS/*.JPEG, val/CLASS/*.JPEG")
    add("-o", "--output", type=Path, required=True, help="checkpoint, history, run")
    add("--dry-run", action="store_true", help="a narrow network on generated images")
    add("--ratio", type=float, default=1.0, help="multiplications over output channels")
    add("--p", type=int, default=1, help="side of the output patches they serve")
    add("--teacher", type=Path, help="weights of torchvision's resnet18, which teaches")
    add("--batch", type=int, default=256, help="images a step, of all processes")
    add("--epochs", type=int, nargs=3, default=(60, 40, 10), help="of the phases")
    add("--rates", type=float, nargs=3, default=(0.1, 0.01, 0.001), help="of 256 images a step")
    add("--decay", type=float, default=1e-4, help="of matrices")
    add("--workers", type=int, default=8, help="processes that read images, for each GPU")
    add("--save-every", type=int, default=500, help="steps between checkpoints within an epoch")
    add("--export", type=int, default=2000, help="images that the run keeps; 0: no run")
    for name, value in (("--images", 512), ("--size", 32), ("--width", 8)):
        add(name, type=int, default=value, help="of a dry run")
    args = parser.parse_args()
    if (args.data is None) != args.dry_run:
        parser.error("give the folder of ImageNet, or --dry-run")
    args.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    join()
    try:
        training = Training(args)
        training.run()
        if args.export:
            training.export()
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
